import { isDiskFull } from '../core/disk-full.ts';
import { AppError } from '../core/errors.ts';

// Connection exceptions (class 08), the server going down or coming up, and too many clients.
const CONNECTION_STATES = /^(08...|57P0[1-5]|53300|25P03)$/;

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

// The driver gives these no code.
const CONNECTION_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|after calling end on the pool/;

/** Whether the database could not be reached, as against a statement it refused. The statement may have run. */
export function isConnectionError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && (CONNECTION_CODES.has(code) || CONNECTION_STATES.test(code))) return true;
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message);
}

/** AppError `store_unavailable` for a database that is out of reach, or that has no room left; else the error itself. */
export function toStoreError(error: unknown, name = 'The database'): unknown {
  const isFull = isDiskFull(error);
  if (!isFull && !isConnectionError(error)) return error;
  const message = isFull
    ? `${name} has no room left on its disk.`
    : `${name} is out of reach. Try again shortly.`;
  return new AppError('store_unavailable', message, { cause: error, retryAfterSeconds: isFull ? 30 : 2 });
}

/** The error of a query on a transaction that is over: it would run outside of it, or in somebody else's. */
export function transactionOver(): Error {
  return new Error('This transaction is over.');
}

/** The error of a COMMIT that rolled back, because a statement had failed and `work` had gone on. */
export function transactionRolledBack(): Error {
  const error = new Error('The transaction was rolled back: one of its statements had failed.');
  return Object.assign(error, { code: '25P02' });
}
