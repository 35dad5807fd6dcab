import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import type { WorkflowDefinition } from './definition.ts';
import type { DefinitionStore } from './definition-store.ts';
import { JOB_PLANS } from './job-plans.ts';
import { type Plan, type Planning, planDefinition } from './plan.ts';
import { createPlanCache, type PlanCache } from './plan-cache.ts';
import { findSizeProblem } from './size-guard.ts';

/** The plans of runs. Throws AppError `store_unavailable` when the database is away. */
export interface Plans {
  /** Throws AppError `not_found`. */
  byHash(hash: string): Promise<Plan>;
  /** Of the newest version, or, for what `referenceTo` has made, of that very definition. Throws AppError `not_found`. */
  byName(name: string): Promise<Plan>;
  /** Plans a caller's definition. */
  plan(definition: unknown): Planning;
  /** The same, and keeps it. Throws AppError `invalid_request`. */
  save(definition: unknown): Promise<Plan>;
}

interface PlansOptions {
  store: DefinitionStore;
}

const REFERENCE = 'sha256:';
const SAVED_MAX = 1_000;
const PROBLEMS_SHOWN_MAX = 10;
const TEXTS_MAX = 100;
const TEXT_CHARS_MAX = 100_000;

export function createPlans({ store }: PlansOptions): Plans {
  const cache: PlanCache = createPlanCache();
  /** By the text of definitions that were planned of late, the hash of their plans. */
  const hashes = new Map<string, string>();
  const saved = new Set<string>();

  return {
    byHash,
    async byName(name) {
      if (name.startsWith(REFERENCE)) return await byHash(name.slice(REFERENCE.length));
      const found = await store.version(name);
      if (!found) throw new AppError('not_found', `There is no workflow \`${name}\`.`, { param: 'workflow' });
      return cache.get(found.hash) ?? cache.add(found.definition as WorkflowDefinition);
    },
    plan: planOnce,
    async save(definition) {
      const plan = requirePlan(planOnce(definition));
      if (saved.has(plan.hash)) return plan;
      await store.save(plan.hash, plan.definition as unknown as Json);
      if (saved.size >= SAVED_MAX) saved.clear();
      saved.add(plan.hash);
      return plan;
    },
  };

  /** Who sends a definition with each start sends the same one. */
  function planOnce(definition: unknown): Planning {
    const tooLarge = findSizeProblem(definition);
    if (tooLarge) return { valid: false, errors: [tooLarge] };
    const text = JSON.stringify(definition);
    const known = cache.get(hashes.get(text) ?? '');
    if (known) return { valid: true, plan: known };
    const planning = planDefinition(definition);
    if (planning.valid) {
      cache.keep(planning.plan);
      if (text.length <= TEXT_CHARS_MAX) note(text, planning.plan.hash);
    }
    return planning;
  }

  function note(text: string, hash: string): void {
    hashes.set(text, hash);
    const [oldest] = hashes.keys();
    if (hashes.size > TEXTS_MAX && oldest !== undefined) hashes.delete(oldest);
  }

  async function byHash(hash: string): Promise<Plan> {
    const known = JOB_PLANS.find((plan) => plan.hash === hash) ?? cache.get(hash);
    if (known) return known;
    const definition = await store.find(hash);
    if (definition === null) throw new AppError('not_found', 'The definition of this run is gone.');
    return cache.get(hash) ?? cache.add(definition as unknown as WorkflowDefinition);
  }
}

/** A name that stands for this definition, whatever versions there will be. No workflow can be called so. */
export const referenceTo = ({ hash }: Plan): string => `${REFERENCE}${hash}`;

/** Throws AppError `invalid_request`, its message with the problems and its `param` the path of the first. */
function requirePlan(planning: Planning): Plan {
  if (planning.valid) return planning.plan;
  const shown = planning.errors.slice(0, PROBLEMS_SHOWN_MAX).map(({ path, message }) => `${path} ${message}`);
  const more =
    planning.errors.length > shown.length ? ` (and ${planning.errors.length - shown.length} more)` : '';
  throw new AppError('invalid_request', `The definition is wrong: ${shown.join('; ')}${more}.`, {
    param: planning.errors[0]?.path ?? null,
  });
}
