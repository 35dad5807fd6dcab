import { z } from 'zod';

/** The kinds of work that have a queue and a worker pool of their own. */
export const ModelClass = z.enum(['lightweight', 'heavyweight', 'embedding']);
export type ModelClass = z.infer<typeof ModelClass>;
export const MODEL_CLASSES = ModelClass.options;
