import { AppError } from '../core/errors.ts';
import type { RunId } from '../core/ids.ts';
import { withMembers } from '../core/json-text.ts';
import type { Json } from '../core/json-value.ts';
import type { CallInput } from './model-calls.ts';
import type { Plan } from './plan.ts';
import type { Plans } from './plans.ts';
import { createRunModel } from './run-model.ts';
import type { RunKind } from './run-record.ts';
import type { RunSnapshot, RunStore } from './run-store.ts';

/** What runs hold beside what their callers are shown. Throws AppError `not_found`, `store_unavailable`. */
export interface RunInspection {
  planOf(run: RunId): Promise<Plan>;
  /** A step's fields as they are for whoever runs it. Throws `conflict` where what they refer to is not known yet. */
  stepInput(run: RunId, key: string): Promise<Json>;
  /** JSON text: what a job was asked to do, as its caller wrote it; with another model where one is given. */
  requestOf(job: RunId, model: string | null): Promise<{ kind: string; request: string }>;
}

interface RunInspectionOptions {
  store: Pick<RunStore, 'read'>;
  plans: Pick<Plans, 'byHash'>;
}

export function createRunInspection({ store, plans }: RunInspectionOptions): RunInspection {
  return {
    async planOf(id) {
      const { row } = await read(id, 'workflow');
      return await plans.byHash(row.summary.definitionHash);
    },

    async stepInput(id, key) {
      const { row, steps } = await read(id, 'workflow');
      if (!steps.some(({ step }) => step.key === key)) {
        throw new AppError('not_found', `The run has not come to a step \`${key.slice(0, 64)}\`.`);
      }
      const plan = await plans.byHash(row.summary.definitionHash);
      const run = { id, input: JSON.parse(row.inputText) as Json };
      const model = createRunModel(
        plan,
        run,
        steps.map(({ step }) => step),
      );
      try {
        return model.fieldsOf(key);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        throw new AppError('conflict', `What goes into the step cannot be told now: ${error.message}`);
      }
    },

    async requestOf(id, model) {
      const { row } = await read(id, 'job');
      const kind = row.summary.workflow;
      if (kind === 'workflow') return { kind, request: row.inputText };
      const { body }: CallInput = JSON.parse(row.inputText);
      return {
        kind,
        request: model === null ? body : withMembers(body, { model: JSON.stringify(model) }),
      };
    },
  };

  async function read(id: RunId, kind: RunKind): Promise<RunSnapshot> {
    const snapshot = await store.read(id, 0);
    if (snapshot?.row.summary.kind === kind) return snapshot;
    throw new AppError('not_found', kind === 'job' ? 'There is no such job.' : 'There is no such run.');
  }
}
