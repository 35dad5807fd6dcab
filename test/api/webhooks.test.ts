import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';
import { CHAT_MODEL, JOBS, RUNS, setupWork, type WorkBundle } from './work-bundle.ts';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const OWN_SECRET = `whsec_${Buffer.alloc(32, 4).toString('base64')}`;
/** The second attempt comes after 5 s, give or take a fifth. */
const SECOND_ATTEMPT_MS = { least: 3_900, most: 12_000 };
const TEST_LIMIT_MS = 40_000;

let work: WorkBundle;
let receiver: ScriptedServer;

beforeAll(async () => {
  let failures = 0;
  receiver = await startScriptedServer({
    '/takes': (res) => res.writeHead(204).end(),
    '/fails-once': (res) => res.writeHead(failures++ === 0 ? 500 : 200).end(),
    '/gone': (res) => res.writeHead(410).end(),
  });
  work = await setupWork({
    env: { CITADEL_OUTBOUND_ALLOW: 'loopback', CITADEL_WEBHOOK_SECRET: SECRET },
  });
}, START_LIMIT_MS);
afterAll(() => Promise.all([work?.citadel.stop(), receiver?.close()]));

const hook = (path: string, rest: object = {}) => ({ webhook: { url: receiver.origin + path, ...rest } });
const received = (path: string) => receiver.requests.filter((request) => request.path === path);

/** As Standard Webhooks has its receivers check. */
function verify({ headers, body }: ScriptedServer['requests'][number], secret: string): object {
  const [id, time] = [headers['webhook-id'], headers['webhook-timestamp']];
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const right = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
  const signatures = String(headers['webhook-signature']).split(' ');
  if (!signatures.includes(`v1,${right}`)) throw new Error('the signature is wrong');
  if (Math.abs(Date.now() / 1_000 - Number(time)) > 300) throw new Error('the time is too far off');
  return JSON.parse(body);
}

test('a webhook of a job tells of its end, signed, once', async () => {
  const { body } = await work.ask('POST', JOBS, {
    kind: 'chat',
    request: chat(CHAT_MODEL),
    ...hook('/takes'),
  });
  await work.untilEnded(`${JOBS}/${body.id}`);

  const [request] = await waitFor(() => (received('/takes').length > 0 ? received('/takes') : null), 'told');

  if (!request) throw new Error('nothing came');
  expect(verify(request, SECRET)).toMatchObject({
    type: 'job.succeeded',
    data: { id: body.id, object: 'job', kind: 'chat', status: 'succeeded', error: null },
  });
});

test(
  'one whose receiver fails comes again under the same id, and one whose receiver is gone is given up',
  async () => {
    const definition = { name: 'no', steps: [{ id: 'a', type: 'fail', message: 'No.' }] };
    const own = hook('/fails-once', { secret: OWN_SECRET, events: ['run.failed'] });
    const run = await work.ask('POST', RUNS, { definition, ...own });
    const other = await work.ask('POST', RUNS, { definition, ...hook('/gone') });
    await waitFor(() => received('/fails-once').length === 1, 'the first attempt');
    const sinceMs = performance.now();

    await waitFor(() => received('/fails-once').length === 2, 'the second', SECOND_ATTEMPT_MS.most);

    expect(performance.now() - sinceMs).toBeGreaterThan(SECOND_ATTEMPT_MS.least);
    const requests = received('/fails-once');
    const error = { code: 'failed', message: 'No.' };
    for (const request of requests) {
      expect(verify(request, OWN_SECRET)).toMatchObject({
        type: 'run.failed',
        data: { id: run.body.id, object: 'workflow.run', status: 'failed', error },
      });
    }
    expect(new Set(requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    // Begun before the second attempt of the other, it would have had its own by now.
    expect(received('/gone')).toHaveLength(1);
    const log = work.citadel.logLines.join('');
    expect(log).toMatch(new RegExp(`a webhook was given up.*|${other.body.id}`));
    expect(log.match(/a webhook was given up/g)).toHaveLength(1);
    expect(log).not.toContain(OWN_SECRET.slice(6, 30));
  },
  TEST_LIMIT_MS,
);

test('a webhook that its receiver does not want is not sent', async () => {
  const events = { events: ['job.failed'] };
  const wanted = { kind: 'chat', request: chat(CHAT_MODEL) };
  const { body } = await work.ask('POST', JOBS, { ...wanted, ...hook('/unwanted', events) });
  await work.untilEnded(`${JOBS}/${body.id}`);
  const before = received('/takes').length;

  // One that is due later, and arrives.
  await work.ask('POST', JOBS, { ...wanted, ...hook('/takes') });

  await waitFor(() => received('/takes').length > before, 'the other is told');
  expect(received('/unwanted')).toEqual([]);
});
