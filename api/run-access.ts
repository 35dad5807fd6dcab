import type { Request, Response } from 'express';
import type { Principal } from '../access/authenticator.ts';
import { AppError } from '../core/errors.ts';
import type { RunId } from '../core/ids.ts';
import type { RunKind, RunSummary } from '../workflows/run-record.ts';
import type { Runs } from '../workflows/runs.ts';
import { contextOf } from './request-context.ts';

/** Whose work a caller sees: its own key's; undefined for admins, who see all. */
export function scopeOf({ role, keyName }: Principal): string | null | undefined {
  return role === 'admin' ? undefined : keyName;
}

/** The run that the path names, if it is of this kind and the caller's. Throws AppError `not_found`. */
export async function requireRun(
  runs: Pick<Runs, 'summary'>,
  { req, res, kind }: { req: Request; res: Response; kind: RunKind },
): Promise<RunSummary> {
  const id = String(req.params.id);
  const run = await runs.summary(id as RunId);
  if (run && run.kind === kind && mayRead(run, contextOf(res).principal)) return run;
  throw new AppError('not_found', `There is no ${NAMES[kind]} \`${id.slice(0, 64)}\`.`);
}

const NAMES: Record<RunKind, string> = { job: 'job', workflow: 'run' };

/** Whether the caller may see this: its own key's work, or any as an admin. */
export function mayRead({ keyName }: Pick<RunSummary, 'keyName'>, principal: Principal): boolean {
  const scope = scopeOf(principal);
  return scope === undefined || scope === keyName;
}
