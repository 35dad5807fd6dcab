import { expect, test } from '@jest/globals';
import { newInboxId, newJobId, newRequestId } from '../../core/ids.ts';
import { createBalancer } from '../../servers/balancer.ts';
import { createRegistry } from '../../servers/registry.ts';
import { callServer } from '../../workers/model-call.ts';
import { registrationOf } from '../servers/registration.ts';

function setup() {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  registry.put(registrationOf('a'));
  registry.report('a', { models: [{ id: 'cold', loaded: false }] }, 1);
  const slot = createBalancer(registry).tryAcquire({
    model: 'cold',
    modelClass: 'lightweight',
    tried: new Set(),
  });
  if (typeof slot === 'string') throw new Error(`no slot: ${slot}`);
  const signals: AbortSignal[] = [];
  const answered = Promise.withResolvers<{ kind: 'json'; text: string }>();
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
      stream: false,
      includeUsage: false,
      wholeOnly: false,
      replyTo: newInboxId(),
      body: '{}',
    },
    times: { connectMs: 1, firstTokenMs: 1, loadMs: 1, idleMs: 1 },
    sink: { started: () => {}, chunks: () => {} },
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
