import type { Express } from 'express';
import { AppError } from '../core/errors.ts';
import { createHealthApp, type HealthAppOptions } from './health-app.ts';

/** What a process serves while it waits for its stores: it is alive, and not ready for anything. */
export function createWaitingApp(options: Pick<HealthAppOptions, 'logger' | 'corsOrigins'>): Express {
  const refuse = () => {
    throw new AppError('store_unavailable', 'Citadel is starting: its stores are out of reach.', {
      retryAfterSeconds: 2,
    });
  };
  const queues = { ping: async () => refuse() };
  return createHealthApp({ ...options, queues, isLeaving: () => false, metricsPage: null }, (app) =>
    app.use(refuse),
  );
}
