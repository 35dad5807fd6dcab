import { z } from 'zod';

/** How urgent a request is to its caller. */
export const Priority = z.enum(['low', 'normal', 'high', 'critical']);
export type Priority = z.infer<typeof Priority>;
