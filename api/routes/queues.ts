import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { ModelClass } from '../../core/schemas/model-class.ts';
import type { QueuePauses } from '../../jobs/queue-pauses.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface QueueRouteDeps {
  queuePauses: Pick<QueuePauses, 'set'>;
}

/** POST /api/v1/queues/{class}/pause and …/resume: what is queued waits, and new work joins it, until it is resumed. */
export function pauseQueue({ queuePauses }: QueueRouteDeps, isPaused: boolean): RequestHandler {
  return async (req, res) => {
    const { data: modelClass } = ModelClass.safeParse(req.params.class);
    if (!modelClass) {
      throw new AppError(
        'not_found',
        `There is no queue of this class; there are ${ModelClass.options.join(', ')}.`,
      );
    }
    await queuePauses.set(modelClass, isPaused);
    sendJson(res, 200, JSON.stringify({ object: 'queue', class: modelClass, paused: isPaused }));
  };
}
