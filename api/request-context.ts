import type { Response } from 'express';
import type { Principal } from '../access/authenticator.ts';
import type { RequestId, RunId } from '../core/ids.ts';
import type { TraceContext } from '../core/trace-context.ts';

/** What is known of a request beside its own parts. */
export interface RequestContext {
  requestId: RequestId;
  /** When it arrived, on the monotonic clock (ms). */
  arrivedMs: number;
  arrivedAt: Date;
  principal: Principal;
  /** Its own part of a trace, while traces are taken. */
  trace?: TraceContext;
  /** The accepted work that it has started, or found. */
  runId?: RunId;
}

export function setContext(res: Response, context: RequestContext): void {
  res.locals.context = context;
}

/** The context that the first middleware has set. */
export function contextOf(res: Response): RequestContext {
  return res.locals.context;
}
