import type { Express } from 'express';
import { AppError } from '../core/errors.ts';
import { createHealthApp, type HealthAppOptions } from './health-app.ts';

type WaitingAppOptions = Pick<HealthAppOptions, 'logger' | 'corsOrigins' | 'metricsPage' | 'authenticator'>;

/** What a process serves while it waits for its stores: it is alive and can be measured, and not ready for anything. */
export function createWaitingApp(options: WaitingAppOptions): Express {
  const refuse = () => {
    throw new AppError('store_unavailable', 'Citadel is starting: its stores are out of reach.', {
      retryAfterSeconds: 2,
    });
  };
  const queues = { ping: async () => refuse() };
  return createHealthApp({ ...options, queues, isLeaving: () => false }, (app) => app.use(refuse));
}
