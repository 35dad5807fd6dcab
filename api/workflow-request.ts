import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { WorkflowStart } from '../core/schemas/accepted-work.ts';
import type { ModelAliases } from '../servers/model-aliases.ts';
import type { Definitions } from '../workflows/definitions.ts';
import type { WorkflowRequest } from '../workflows/runs.ts';

export interface WorkflowRequestDeps {
  definitions: Definitions;
  aliases: ModelAliases;
}

/** What is to be started, and the models that it names, each by all its names. Throws AppError `not_found` for a workflow that is not there. */
export async function toWorkflowRequest(
  { definitions, aliases }: WorkflowRequestDeps,
  { workflow, definition, input, tags }: WorkflowStart,
): Promise<{ request: Pick<WorkflowRequest, 'workflow' | 'input' | 'tags'>; models: string[][] }> {
  const parts = { input: (input ?? {}) as Json, tags: tags ?? [] };
  if (workflow === undefined) {
    return {
      request: { workflow: { definition }, ...parts },
      models: definitions.modelsOf(definition).map((name) => namesOf(name, aliases)),
    };
  }
  const stored = await definitions.get(workflow);
  if (!stored) {
    throw new AppError('not_found', `There is no workflow \`${workflow}\`.`, { param: 'workflow' });
  }
  return {
    request: { workflow, ...parts },
    models: definitions.modelsOf(stored.definition).map((name) => namesOf(name, aliases)),
  };
}

/** The model as it is written, and as it is known here. */
function namesOf(name: string, aliases: ModelAliases): string[] {
  const resolved = aliases.resolve(name);
  return resolved ? [name, resolved.name, resolved.model.id] : [name];
}
