// The operator's limit on outputs. One for the process, and not an argument: what a definition's expressions give is held
// to it as well, and those are compiled long before anybody knows for which run.
import type { Json } from '../core/json-value.ts';
import type { StepError } from './run-state.ts';

const MIB = 1_048_576;

let bytesMax = 4 * MIB;

/** Gives what puts back the limit that was there. */
export function limitOutputs(bytes: number): () => void {
  const before = bytesMax;
  bytesMax = bytes;
  return () => {
    bytesMax = before;
  };
}

/** How large it is as JSON, where that is more than an output may be; else null. */
export function excessOf(output: Json): { bytes: number; bytesMax: number } | null {
  const text = JSON.stringify(output);
  // A unit of UTF-16 is three bytes at most: most outputs need not be counted.
  if (text.length * 3 <= bytesMax) return null;
  const bytes = Buffer.byteLength(text);
  return bytes <= bytesMax ? null : { bytes, bytesMax };
}

/** Why the step fails with this output; null where it may have it. `advice`: how it may become smaller. */
export function outputProblem(key: string, output: Json, advice = ''): StepError | null {
  const excess = excessOf(output);
  if (excess === null) return null;
  const message = `The output of step \`${key}\` is ${sizeText(excess.bytes)} of JSON, and an output may have ${sizeText(excess.bytesMax)} (the setting limits.output_bytes).${advice}`;
  return { code: 'output_too_large', message, class: 'fatal' };
}

export function sizeText(bytes: number): string {
  if (bytes < MIB) return `${bytes} bytes`;
  return `${(Math.ceil((bytes / MIB) * 100) / 100).toFixed(2).replace(/\.?0+$/, '')} MiB`;
}
