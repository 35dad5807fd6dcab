import { setImmediate } from 'node:timers/promises';
import type { BackendFailure } from '../../core/backend-failure.ts';
import type { StreamEvent } from '../../core/stream-event.ts';
import { createModelClient } from '../../outbound/model-client.ts';
import type { CallLimits, ModelAnswer, ModelCall } from '../../servers/model-client.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

type Handlers = Parameters<typeof startScriptedServer>[0];

const LIMITS: CallLimits = {
  connectMs: 1_000,
  firstTokenMs: 2_000,
  idleMs: 2_000,
  answerBytesMax: 1024 * 1024,
};

/** A server with this one handler for chat, a client, and `call` from one to the other. */
export async function setup(chat: Handlers[string], options: { connectionsPerServer?: number } = {}) {
  const server = await startScriptedServer({ '/v1/chat/completions': chat });
  const client = createModelClient({ guard: LOCAL_GUARD, ...options });
  return {
    server,
    client,
    call: (how: Partial<CallLimits> = {}, signal = new AbortController().signal) =>
      client.call(toCall(server, how), signal),
    async close() {
      await client.close();
      await server.close();
    },
  };
}

export function toCall(
  { origin }: Pick<ScriptedServer, 'origin'>,
  limits: Partial<CallLimits> = {},
): ModelCall {
  return {
    server: { id: 'one', origin, basePath: '/v1', protocol: 'openai', apiKey: 'sk-server' },
    path: '/chat/completions',
    body: '{"model":"m","stream":true}',
    limits: { ...LIMITS, ...limits },
  };
}

/** Turns of the event loop, not time: client and server share this process, so each has read what the other had sent. */
export async function bothHaveRead(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
}

/** What the call, or else the stream it gave, failed with. */
export async function failureOf(answer: Promise<ModelAnswer>): Promise<BackendFailure> {
  try {
    await textsOf(await answer);
  } catch (error) {
    return error as BackendFailure;
  }
  throw new Error('the call did not fail');
}

export async function textsOf(answer: ModelAnswer): Promise<string[]> {
  if (answer.kind === 'json') return [answer.text];
  return (await batchesOf(answer)).flat().map(({ text }) => text);
}

export async function batchesOf(answer: ModelAnswer): Promise<StreamEvent[][]> {
  if (answer.kind !== 'stream') throw new Error('the answer is no stream');
  const batches: StreamEvent[][] = [];
  for await (const batch of answer.events) batches.push(batch);
  return batches;
}

export function iteratorOf(answer: ModelAnswer): AsyncIterator<StreamEvent[]> {
  if (answer.kind !== 'stream') throw new Error('the answer is no stream');
  return answer.events[Symbol.asyncIterator]();
}

export const chunk = (content: string, finish: string | null = null, index = 0): string =>
  JSON.stringify({ choices: [{ index, delta: { content }, finish_reason: finish }] });

export const event = (data: string): string => `data: ${data}\n\n`;

/** Timers that keep this process alive. */
export const timers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
