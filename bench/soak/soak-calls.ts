import { randomUUID } from 'node:crypto';
import { demoText } from '../../servers/demo/demo-text.ts';

export const SOAK_MODEL = 'soak-chat';
/** What Citadel allows itself to bring a request to an answer, whatever its servers do. */
export const CALL_LIMIT_MS = 15_000;

/**
 * - `right`: the whole text that was expected.
 * - `refused`: an error and nothing else.   `broken`: a part of a stream, then an error.
 * - `wrong`: passed on as a success and not the text that was expected.   `hung`: no end within the limit.
 * - `lost`: the connection to Citadel broke.
 */
export type Outcome = 'right' | 'refused' | 'broken' | 'wrong' | 'hung' | 'lost';

export interface CallRecord {
  outcome: Outcome;
  isStream: boolean;
  /** Since the soak's start. */
  startedMs: number;
  tookMs: number;
  /** Calls to servers; 0 where nothing says so. */
  attempts: number;
  /** The error's code, or what else there is to say. */
  detail: string;
}

type Verdict = Pick<CallRecord, 'outcome' | 'detail'>;

const RIGHT: Verdict = { outcome: 'right', detail: '' };

/** Asks for one answer, and compares it with what the simulated server says to that prompt. */
export async function callOnce(
  origin: string,
  { isStream, soakStartedMs }: { isStream: boolean; soakStartedMs: number },
): Promise<CallRecord> {
  const prompt = `Soak ${randomUUID()}`;
  const startedMs = performance.now();
  let attempts = 0;
  let verdict: Verdict;
  try {
    const response = await fetch(`${origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: SOAK_MODEL,
        messages: [{ role: 'user', content: prompt }],
        stream: isStream,
      }),
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
    attempts = Number(response.headers.get('x-citadel-attempts'));
    const text = await response.text();
    verdict = judge(response.status, text, { isStream, expected: demoText(prompt) });
  } catch (error) {
    const { name, message } = error as Error;
    verdict =
      name === 'TimeoutError' ? { outcome: 'hung', detail: 'no end' } : { outcome: 'lost', detail: message };
  }
  const tookMs = performance.now() - startedMs;
  return { ...verdict, isStream, startedMs: startedMs - soakStartedMs, tookMs, attempts };
}

function judge(
  status: number,
  text: string,
  { isStream, expected }: { isStream: boolean; expected: string },
): Verdict {
  if (status !== 200) return { outcome: 'refused', detail: `${status} ${errorCode(text)}` };
  try {
    return isStream ? judgeStream(text, expected) : judgeDocument(text, expected);
  } catch (error) {
    return { outcome: 'wrong', detail: `unreadable: ${(error as Error).message}` };
  }
}

function judgeDocument(text: string, expected: string): Verdict {
  const [choice] = JSON.parse(text).choices;
  return compare(choice.message.content, choice.finish_reason, expected);
}

function judgeStream(text: string, expected: string): Verdict {
  const events = text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length));
  const last = events.pop();
  if (last !== '[DONE]') {
    const code = errorCode(last ?? '');
    // A stream that just ends, without [DONE] and without an error, looks whole to many clients.
    return code === ''
      ? { outcome: 'wrong', detail: 'ends without a word' }
      : { outcome: 'broken', detail: code };
  }
  const choices = events.flatMap((event) => JSON.parse(event).choices);
  const content = choices.map(({ delta }) => delta.content ?? '').join('');
  return compare(content, choices.at(-1)?.finish_reason, expected);
}

function compare(content: unknown, finishReason: unknown, expected: string): Verdict {
  if (content !== expected) return { outcome: 'wrong', detail: 'not the whole text' };
  if (finishReason !== 'stop') return { outcome: 'wrong', detail: `finish_reason ${finishReason}` };
  return RIGHT;
}

function errorCode(text: string): string {
  try {
    return String(JSON.parse(text).error.code);
  } catch {
    return '';
  }
}
