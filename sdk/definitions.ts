import type { Connection } from './connection.ts';
import type { DefinitionRecord, Page, Validation } from './records.ts';
import { type Definition, definitionOf, type Workflow } from './workflow.ts';

/** The workflows that Citadel knows by name. */
export interface Definitions {
  /** Stores a version, under the definition's own name unless told. */
  put(workflow: Definition | Workflow, name?: string): Promise<DefinitionRecord>;
  get(name: string): Promise<DefinitionRecord>;
  list(page?: { limit?: number; after?: string }): Promise<Page<DefinitionRecord>>;
  /** Runs that have begun go on. */
  remove(name: string): Promise<void>;
  /** What is wrong with it, or its plan. */
  validate(workflow: Definition | Workflow): Promise<Validation>;
}

const PATH = '/api/v1/workflows/definitions';

export function createDefinitions(connection: Connection): Definitions {
  const pathOf = (name: string) => `${PATH}/${encodeURIComponent(name)}`;
  return {
    async put(workflow, name) {
      const body = definitionOf(workflow);
      const path = pathOf(name ?? body.name);
      return (await connection.request<DefinitionRecord>(path, { method: 'PUT', body })).body;
    },
    get: async (name) => (await connection.request<DefinitionRecord>(pathOf(name))).body,
    list: async (page) =>
      (await connection.request<Page<DefinitionRecord>>(PATH, { query: { ...page } })).body,
    async remove(name) {
      await connection.request(pathOf(name), { method: 'DELETE' });
    },
    async validate(workflow) {
      const body = definitionOf(workflow);
      return (await connection.request<Validation>('/api/v1/workflows/validate', { method: 'POST', body }))
        .body;
    },
  };
}
