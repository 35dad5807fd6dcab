import { AppError } from '../core/errors.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import { createFairOrder, type FairOrder, type FairRequest } from './fair-order.ts';
import { createWaitingLine, type Place, type WaitingLine } from './waiting-line.ts';

/** Who may join the queue of a class, and in which order its requests run. */
export interface Admission {
  /**
   * The tag of a request that joins now: the queue runs the lowest first. `maxWaitMs`: the longest it may wait for its
   * turn, null for no such limit. Throws AppError `queue_full` when too many wait, or when its turn would come too late;
   * its Retry-After says when that is likely to be otherwise.
   */
  admit(modelClass: ModelClass, request: FairRequest, maxWaitMs: number | null): number;
  /** The same for accepted work, which is never refused. */
  tagFor(modelClass: ModelClass, request: FairRequest): number;
  line(modelClass: ModelClass): WaitingLine;
  /** What a worker that takes jobs of a class has reached. */
  reached(modelClass: ModelClass, virtual: number): void;
  /** Classes whose tags should begin anew, and of whose requests none of this process waits. */
  worn(): ModelClass[];
  reset(modelClass: ModelClass): void;
}

interface AdmissionOptions {
  /** How many requests of a class may wait in this process. */
  queueDepth: Record<ModelClass, number>;
  now: () => number;
}

const RETRY_AFTER_SECONDS_MAX = 60;

export function createAdmission({ queueDepth, now }: AdmissionOptions): Admission {
  const classes = new Map<ModelClass, { order: FairOrder; line: WaitingLine }>(
    MODEL_CLASSES.map((name) => [name, { order: createFairOrder(), line: createWaitingLine(now) }]),
  );

  return {
    admit(modelClass, request, maxWaitMs) {
      const { order, line } = of(modelClass);
      if (line.size >= queueDepth[modelClass]) {
        const { etaMs } = line.placeFor(Number.POSITIVE_INFINITY);
        throw queueFull(`Too many requests wait for a ${modelClass} model.`, etaMs, 2);
      }
      const tag = order.tagFor(request);
      if (maxWaitMs === null || line.size === 0) return tag;
      const place = line.placeFor(tag);
      if (place.etaMs === null || place.etaMs <= maxWaitMs) return tag;
      throw tooLate(place, place.etaMs - maxWaitMs);
    },
    tagFor: (modelClass, request) => of(modelClass).order.tagFor(request),
    line: (modelClass) => of(modelClass).line,
    reached: (modelClass, virtual) => of(modelClass).order.reached(virtual),
    worn: () => MODEL_CLASSES.filter((name) => of(name).line.size === 0 && of(name).order.isWorn()),
    reset: (modelClass) => of(modelClass).order.reset(),
  };

  function of(modelClass: ModelClass): { order: FairOrder; line: WaitingLine } {
    const parts = classes.get(modelClass);
    if (!parts) throw new Error(`no queue for model class ${modelClass}`);
    return parts;
  }
}

/** The request's turn comes `lateMs` after the time that its caller gives it. */
export function tooLate({ position, etaMs }: Place, lateMs: number): AppError {
  const when = etaMs === null ? '' : `, and its turn would come in about ${Math.ceil(etaMs / 1000)} s`;
  return queueFull(
    `The request would wait for longer than it may: it is number ${position} in the queue${when}.`,
    lateMs,
    1,
  );
}

function queueFull(message: string, waitMs: number | null, fallbackSeconds: number): AppError {
  const seconds = waitMs === null ? fallbackSeconds : Math.ceil(waitMs / 1000);
  return new AppError('queue_full', message, {
    retryAfterSeconds: Math.min(Math.max(seconds, 1), RETRY_AFTER_SECONDS_MAX),
  });
}
