import { expect, test } from '@jest/globals';
import { newInboxId, newJobId, newRequestId } from '../../core/ids.ts';
import { createBalancer } from '../../servers/balancer.ts';
import type { ModelAnswer } from '../../servers/model-client.ts';
import { createRegistry } from '../../servers/registry.ts';
import { callServer } from '../../workers/model-call.ts';
import { registrationOf } from '../servers/registration.ts';

function setup() {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  registry.put(registrationOf('a'));
  registry.report('a', { models: [{ id: 'cold', loaded: false }] }, 1);
  const slot = createBalancer({ registry }).tryAcquire({
    model: 'cold',
    modelClass: 'lightweight',
    tried: new Set(),
  });
  if (typeof slot === 'string') throw new Error(`no slot: ${slot}`);
  const signals: AbortSignal[] = [];
  const answered = Promise.withResolvers<ModelAnswer>();
  const options = {
    client: {
      call(_: unknown, signal: AbortSignal) {
        signals.push(signal);
        return answered.promise;
      },
      report: () => Promise.reject(new Error('not part of this fake')),
    },
    slot,
    jobId: newJobId(),
    job: {
      requestId: newRequestId(),
      keyName: null,
      endpoint: 'chat/completions',
      model: 'cold',
      modelClass: 'lightweight',
      priority: 'normal',
      maxWaitMs: null,
      stream: false,
      includeUsage: false,
      wholeOnly: false,
      replyTo: newInboxId(),
      body: '{}',
    },
    times: { connectMs: 1, firstTokenMs: 1, loadMs: 1, idleMs: 1 },
    sink: { answered: () => {}, started: () => {}, chunks: () => {}, progress: () => {} },
  } as const;
  return { options, signals, answered };
}

test('a call to a server that loads its model goes on without its caller until the model is loaded', async () => {
  const { options, signals, answered } = setup();
  const leaving = new AbortController();
  const call = callServer(options, leaving.signal);

  leaving.abort(new Error('gone'));
  await expect(call).rejects.toThrow('gone');
  expect(signals.map(({ aborted }) => aborted)).toEqual([false]);

  answered.resolve({ kind: 'json', text: '{}' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
});

test('a call whose caller has left already is not made', async () => {
  const { options, signals } = setup();

  await expect(callServer(options, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');

  expect(signals).toEqual([]);
});

async function* batches(...events: object[]) {
  yield events.map((value) => ({ text: JSON.stringify(value), value }));
}

test.each<[string, ModelAnswer]>([
  ['in one document', { kind: 'json', text: '{"choices":[{"index":0}]}' }],
  ['in a stream', { kind: 'stream', events: batches({ id: '', choices: [{ index: 0, delta: {} }] }) }],
])("an answer that came %s and does not name itself gets the job's id and model", async (_, answer) => {
  const { options, answered } = setup();
  answered.resolve(answer);

  const { body } = await callServer(options, new AbortController().signal);

  expect(JSON.parse(body ?? '')).toMatchObject({
    id: options.jobId,
    object: 'chat.completion',
    created: expect.any(Number),
    model: 'cold',
    choices: [{ index: 0 }],
  });
});
