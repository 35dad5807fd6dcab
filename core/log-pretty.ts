import { styleText } from 'node:util';

interface LineWriter {
  write(line: string): void;
}

const COLORS = {
  trace: 'gray',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
} as const;

/** Turns each JSON log line into `12:04:05 INFO  message  field=value`, with the stack of an error below it. */
export function createPrettyWriter(target: LineWriter): LineWriter {
  return { write: (line) => target.write(`${toPrettyLine(JSON.parse(line))}\n`) };
}

function toPrettyLine(record: Record<string, unknown>): string {
  const { level, time, pid: _pid, message, ...fields } = record;
  const clock = new Date(String(time)).toTimeString().slice(0, 8);
  const head = `${paint('gray', clock)} ${paintLevel(String(level))} ${escapeControls(String(message ?? ''))}`;
  const pairs = Object.entries(fields).map(
    ([name, value]) => `${paint('gray', `${name}=`)}${toShort(value)}`,
  );
  const stacks = Object.values(fields).flatMap(stackLines);
  return [[head, ...pairs].join('  '), ...stacks].join('\n');
}

function paintLevel(level: string): string {
  const color = COLORS[level as keyof typeof COLORS] ?? 'gray';
  return paint(color, level.toUpperCase().padEnd(5));
}

// Colours only where stderr shows them: styleText asks the stream, which also obeys NO_COLOR.
const paint = (color: (typeof COLORS)[keyof typeof COLORS], text: string) =>
  styleText(color, text, { stream: process.stderr });

function toShort(value: unknown): string {
  const text = isErrorRecord(value) ? value.message : value;
  if (typeof text !== 'string') return JSON.stringify(text);
  return /^[\w.:/@%+*-]+$/.test(text) ? text : escapeControls(JSON.stringify(text));
}

function stackLines(value: unknown): string[] {
  if (!isErrorRecord(value)) return [];
  const lines = (value.stack ?? '').split('\n').map((line) => `    ${escapeControls(line.trim())}`);
  const cause = stackLines(value.cause).map((line, index) =>
    index === 0 ? `    caused by ${line.trim()}` : line,
  );
  return [...lines, ...cause].filter((line) => line.trim() !== '');
}

interface ErrorRecord {
  message: string;
  stack?: string;
  cause?: unknown;
}

const isErrorRecord = (value: unknown): value is ErrorRecord =>
  typeof value === 'object' && value !== null && 'message' in value;

// A logged text may come from a caller, and a terminal obeys escape sequences.
const escapeControls = (text: string) =>
  text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
