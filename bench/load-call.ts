import type { Client, Dispatcher } from 'undici';
import type { CallRequest } from './load-job.ts';

/** Times count from the call, in milliseconds. */
export interface CallOutcome {
  totalMs: number;
  firstTokenMs: number | null;
  lastTokenMs: number | null;
  tokens: number;
  fault: string | null;
}

const REFUSAL_CHARS_MAX = 2_000;
const PATH = '/v1/chat/completions';

/** Sends one chat request and reads all of its answer. Never rejects: what goes wrong is the outcome's `fault`. */
export function callOnce(client: Client, request: CallRequest): Promise<CallOutcome> {
  const answer = createAnswerReader(request.streamTokens);
  const startedMs = performance.now();
  return new Promise((resolve) => {
    let status = 0;
    let refusal = '';
    const end = (failure: string | null) => {
      const totalMs = performance.now() - startedMs;
      const fault = failure ?? (status === 200 ? answer.fault() : `status ${status}${messageOf(refusal)}`);
      resolve({ totalMs, ...answer.tokenTimes(), fault });
    };
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode;
      },
      onResponseData(_controller, chunk) {
        if (status === 200) answer.read(chunk, performance.now() - startedMs);
        else if (refusal.length < REFUSAL_CHARS_MAX) refusal += chunk.toString('latin1');
      },
      onResponseEnd: () => end(null),
      onResponseError: (_controller, error) => end(codeOf(error)),
    };
    client.dispatch({ path: PATH, method: 'POST', headers: request.headers, body: request.body }, handler);
  });
}

/** What an error's body says, after a colon; nothing where it is none. */
function messageOf(body: string): string {
  const [, message] = /"message":"([^"]{1,200})/.exec(body) ?? [];
  return message === undefined ? '' : `: ${message}`;
}

interface AnswerReader {
  read(chunk: Buffer, atMs: number): void;
  tokenTimes(): Pick<CallOutcome, 'firstTokenMs' | 'lastTokenMs' | 'tokens'>;
  /** What the whole answer lacks. */
  fault(): string | null;
}

function createAnswerReader(streamTokens: number | undefined): AnswerReader {
  return streamTokens === undefined ? createDocumentReader() : createStreamReader(streamTokens);
}

function createDocumentReader(): AnswerReader {
  const chunks: Buffer[] = [];
  return {
    read: (chunk) => void chunks.push(chunk),
    tokenTimes: () => ({ firstTokenMs: null, lastTokenMs: null, tokens: 0 }),
    fault: () =>
      Buffer.concat(chunks).includes('"finish_reason":"') ? null : 'an answer without its finish_reason',
  };
}

function createStreamReader(streamTokens: number): AnswerReader {
  let rest = '';
  let firstTokenMs: number | null = null;
  let lastTokenMs: number | null = null;
  let tokens = 0;
  let isDone = false;
  let hasError = false;

  function readLine(line: string, atMs: number): void {
    if (!line.startsWith('data:')) return;
    if (line.includes('[DONE]')) isDone = true;
    if (line.includes('"error":')) hasError = true;
    if (!line.includes('"content":"') || line.includes('"content":""')) return;
    tokens += 1;
    firstTokenMs ??= atMs;
    lastTokenMs = atMs;
  }

  return {
    read(chunk, atMs) {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) readLine(line, atMs);
    },
    tokenTimes: () => ({ firstTokenMs, lastTokenMs, tokens }),
    fault() {
      if (hasError) return 'an error frame';
      if (!isDone) return 'a stream without [DONE]';
      return tokens === streamTokens ? null : 'a stream of the wrong length';
    },
  };
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
