import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { DefinitionStore } from './definition-store.ts';
import type { Plan } from './plan.ts';
import type { Plans } from './plans.ts';

export interface DefinitionVersion {
  name: string;
  /** From 1. */
  version: number;
  /** SHA-256 of the normal form. */
  hash: string;
  createdAt: Date;
}

export interface StoredDefinition extends DefinitionVersion {
  /** In its normal form. */
  definition: Json;
}

/** The named workflows. A version never changes, and a run keeps the one that it began with. */
export interface Definitions {
  /** The newest version if it says the same, else a new one. Throws AppError `invalid_request`, its message with every
   *  problem and its `param` the first one's path. */
  put(name: string, definition: unknown): Promise<DefinitionVersion>;
  /** The newest version unless told; null when there is none. */
  get(name: string, version?: number): Promise<StoredDefinition | null>;
  /** The newest version of each name, by name. */
  list(page: {
    limit: number;
    after?: string | null;
  }): Promise<{ definitions: DefinitionVersion[]; hasMore: boolean }>;
  /** False when there was none. Runs that have begun go on. */
  remove(name: string): Promise<boolean>;
  /** The models that a definition's steps name outright; none where it is not valid. What an expression gives is known
   *  only when the step runs. */
  modelsOf(definition: unknown): string[];
}

export function createDefinitions({ store, plans }: { store: DefinitionStore; plans: Plans }): Definitions {
  return {
    async put(name, definition) {
      const plan = await plans.save(named(definition, name));
      return await store.addVersion(name, plan.hash);
    },
    get: (name, version) => store.version(name, version),
    async list({ limit, after = null }) {
      const found = await store.versions(limit, after);
      return { definitions: found.slice(0, limit), hasMore: found.length > limit };
    },
    remove: (name) => store.removeVersions(name),
    modelsOf(definition) {
      const planning = plans.plan(definition);
      return planning.valid ? modelsIn(planning.plan) : [];
    },
  };
}

function modelsIn({ steps }: Plan): string[] {
  const models = new Set<string>();
  for (const { step } of steps.values()) {
    if ((step.type === 'chat' || step.type === 'embed') && !step.model.includes('${{'))
      models.add(step.model);
  }
  return [...models];
}

/** The route names the workflow; a definition may do so too, but not otherwise. */
function named(definition: unknown, name: string): unknown {
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition)) return definition;
  const { name: own = name } = definition as { name?: unknown };
  if (own === name) return { ...definition, name };
  throw new AppError('invalid_request', `The definition is called \`${String(own)}\`, and not \`${name}\`.`, {
    param: '$.name',
  });
}
