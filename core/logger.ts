import { type DestinationStream, destination, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { type LogFields, toSafeFields, toSafeText } from './log-fields.ts';
import { createPrettyWriter } from './log-pretty.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type LogMethod = (message: string, fields?: LogFields) => void;

/** Writes one line per call, to stderr unless told, so that a command's own output stays alone on stdout. */
export interface Logger {
  trace: LogMethod;
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
  fatal: LogMethod;
  /** A logger that adds these fields to each of its lines. */
  child(fields: LogFields): Logger;
}

export interface RootLogger extends Logger {
  /** From now on, for its children too. */
  setLevel(level: LogLevel): void;
}

interface LoggerOptions {
  level: LogLevel;
  /** For people instead of machines; by default when stderr is a terminal. */
  pretty?: boolean;
  /** Takes whole lines. */
  destination?: { write(line: string): void };
}

const STDERR = 2;
/** Lines that a reader of stderr has not taken yet; what comes beyond is dropped. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;

export function createLogger(options: LoggerOptions): RootLogger {
  const { level, pretty = process.stderr.isTTY === true, destination: target = openStderr() } = options;
  const stream: DestinationStream = pretty ? createPrettyWriter(target) : target;
  // Pino's children keep the level that they began with, so ours stands before Pino's.
  const gate = { level };
  const root = wrap(
    pino(
      {
        level: 'trace',
        base: { pid: process.pid },
        messageKey: 'message',
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        // Pino's own serialiser takes our plain error for an Error and renames its type.
        serializers: { err: (value) => value },
      },
      stream,
    ),
    gate,
  );
  return {
    ...root,
    setLevel(next) {
      gate.level = next;
    },
  };
}

function openStderr(): DestinationStream {
  const stderr = destination({ dest: STDERR, sync: false, maxLength: BACKLOG_BYTES_MAX });
  // A full disk behind stderr costs log lines, not the process.
  stderr.on('error', () => undefined);
  return stderr;
}

function wrap(logger: PinoLogger, gate: { readonly level: LogLevel }): Logger {
  const at =
    (level: Exclude<LogLevel, 'silent'>): LogMethod =>
    (message, fields) => {
      if (LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(gate.level))
        logger[level](toSafeFields(fields ?? {}), toSafeText(message));
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (fields) => wrap(logger.child(toSafeFields(fields)), gate),
  };
}
