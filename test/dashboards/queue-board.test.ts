import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

const CANARY = 'canary-5b1f-prompt';
const ADMIN_KEY = 'sk-admin-canary-0123456789';
const API = '/dashboard/queues/api/queues';

let citadel: TestCitadel;
let leave: () => void;
let jobId: string;

// No worker takes the job: it waits where the board shows it.
beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: `root:admin:${ADMIN_KEY}` },
    roles: { api: true, classes: [] },
  });
  // The first job of all is slow on a busy machine, perhaps too slow to be kept: it makes way for the one to be shown.
  const leaveFirst = ask();
  await waitFor(async () => (await listJobs()).length === 1, 'the first job');
  leaveFirst();
  await waitFor(async () => (await listJobs()).length === 0, 'its end');

  leave = ask();
  jobId = await waitFor(async () => (await listJobs())[0]?.id, 'the waiting job');
}, START_LIMIT_MS);
afterAll(async () => {
  leave();
  await citadel.stop();
});

/** Asks for an answer that never comes. Gives the function that leaves. */
function ask(): () => void {
  const controller = new AbortController();
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  const body = chat('sim-chat', CANARY, { user: CANARY, metadata: { note: CANARY } });
  citadel.post('/v1/chat/completions', body, { headers, signal: controller.signal }).catch(() => {});
  return () => controller.abort();
}

interface BoardQueue {
  name: string;
  counts: Record<string, number>;
  jobs: { id: string; data: object }[];
  readOnlyMode: boolean;
}

async function read(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'sec-fetch-site': 'same-origin', ...init.headers };
  const response = await fetch(citadel.url + path, { ...init, headers });
  return { status: response.status, text: await response.text() };
}

async function list(query: string): Promise<BoardQueue[]> {
  const { text } = await read(`${API}?${query}`);
  return JSON.parse(text).queues;
}

const WAITING = 'activeQueue=lightweight&status=prioritized&page=1&jobsPerPage=10';

async function listJobs() {
  const queues = await list(WAITING);
  return queues.flatMap(({ jobs }) => jobs);
}

describe('the queue board', () => {
  test('lists the queue of each model class and that of runs, read only', async () => {
    const queues = await list('page=1&jobsPerPage=10');

    expect(queues.map(({ name, readOnlyMode }) => ({ name, readOnlyMode }))).toEqual(
      ['lightweight', 'heavyweight', 'embedding', 'runs'].map((name) => ({ name, readOnlyMode: true })),
    );
  });

  test('shows a waiting job: whose it is and which model it is for', async () => {
    const [job] = await listJobs();

    expect(job).toMatchObject({
      id: expect.stringMatching(/^job_/),
      data: {
        requestId: expect.stringMatching(/^req_/),
        keyName: 'root',
        endpoint: 'chat/completions',
        model: 'sim-chat',
        modelClass: 'lightweight',
        stream: false,
        body: '(hidden)',
      },
    });
  });

  test('shows neither prompt nor key on any of its pages', async () => {
    const job = `${API}/lightweight/${jobId}`;
    const paths = [
      '/dashboard/queues/',
      `/dashboard/queues/queue/lightweight/${jobId}`,
      `${API}?${WAITING}`,
      `${API}?activeQueue=lightweight&status=latest&page=1&jobsPerPage=50`,
      `${API}?${WAITING}&search=${CANARY}&query=${CANARY}`,
      job,
      `${job}/logs`,
      `${job}/flow`,
      `${API}/lightweight/workers`,
      `${API}/lightweight/metrics`,
      `${API}/lightweight/job-data-schema`,
      `${API}/lightweight/default-job-options`,
      '/dashboard/queues/api/job-schedulers',
      '/dashboard/queues/api/redis/stats',
    ];
    const answers = await Promise.all(paths.map((path) => read(path)));

    expect(answers.map(({ status }) => status)).not.toContain(500);
    expect(JSON.parse(answers[paths.indexOf(job)]?.text ?? '')).toMatchObject({
      job: { id: jobId },
      status: 'prioritized',
    });
    for (const { text } of answers) {
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(ADMIN_KEY);
    }
  });

  test.each([
    ['PUT', `${API}/lightweight/pause`],
    ['PUT', `${API}/lightweight/empty`],
    ['PUT', `${API}/lightweight/obliterate`],
    ['PUT', `${API}/pause`],
    ['PUT', `${API}/lightweight/JOB/clean`],
    ['PUT', `${API}/lightweight/JOB/retry`],
    ['PATCH', `${API}/lightweight/JOB/update-data`],
    ['POST', `${API}/lightweight/add`],
  ])('changes nothing even for an admin: %s %s', async (method, path) => {
    const body = JSON.stringify({ jobData: {}, name: 'x', data: {}, force: true });
    const headers = { 'content-type': 'application/json' };
    await read(path.replace('JOB', jobId), { method, headers, body });
    const [queue] = await list(WAITING);

    expect(queue).toMatchObject({ isPaused: false, counts: { prioritized: 1 }, jobs: [{ id: jobId }] });
  });

  test('answers what there is not, and what is malformed, without a stack', async () => {
    const answers = await Promise.all([
      read(`${API}/nothing/job_1`),
      read(`${API}/lightweight/job_nothing`),
      read('/dashboard/queues/api/nothing'),
      read('/dashboard/queues/static/nothing.js'),
      read('/dashboard/queues/static/%zz'),
      read(`${API}?activeQueue=%zz&page=x&jobsPerPage=1e9&status=nothing`),
      read(`${API}/lightweight/pause`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: '{',
      }),
    ]);

    for (const { status, text } of answers) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(text).not.toMatch(/node_modules|at \w+ \(/);
    }
  });

  test('comes under a policy that loads nothing from elsewhere and lets nobody frame it', async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const answer = await citadel.get('/dashboard/queues/', headers);

    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.text()).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  test('leaves the prompt and the key out of the log', () => {
    const log = citadel.logLines.join('');

    expect(log).toContain('"path":"/dashboard/queues/api/queues"');
    expect(log).not.toContain(CANARY);
    expect(log).not.toContain(ADMIN_KEY);
  });
});
