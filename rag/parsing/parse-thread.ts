// The thread that documents are parsed and chunked in, one at a time and part by part as they are asked for. What it
// throws beside a refusal ends it, and its document is refused.
import { parentPort } from 'node:worker_threads';
import type { DocumentPart } from '../document-reader.ts';
import { DocumentRefused } from '../document-refused.ts';
import { documentParts } from './document-parts.ts';
import type { FromParser, ToParser } from './parse-messages.ts';

let parts: AsyncIterator<DocumentPart> | null = null;

parentPort?.on('message', async (message: ToParser) => {
  if (message.kind === 'open') {
    parts = documentParts(message.source, message.reading)[Symbol.asyncIterator]();
  }
  parentPort?.postMessage(await nextAnswer());
});

async function nextAnswer(): Promise<FromParser> {
  try {
    const { done, value } = (await parts?.next()) ?? { done: true, value: undefined };
    if (!done) return { kind: 'part', part: value };
    parts = null;
    return { kind: 'end' };
  } catch (error) {
    parts = null;
    return toRefusal(error);
  }
}

function toRefusal(error: unknown): FromParser {
  // A parser that trips over its input.
  const refused = error instanceof DocumentRefused ? error : new DocumentRefused('malformed');
  return { kind: 'refused', reasonCode: refused.reasonCode, message: refused.message };
}
