import { afterEach } from '@jest/globals';
import { type InboxId, type JobId, newInboxId, newJobId, newRequestId } from '../../core/ids.ts';
import { createAdmission } from '../../jobs/admission.ts';
import { createDispatcher, type Dispatcher } from '../../jobs/dispatcher.ts';
import type { ModelJob } from '../../jobs/model-job.ts';
import type { ReplyFrame } from '../../jobs/reply-bus.ts';
import type { DispatchEnd } from '../../jobs/waiter.ts';
import type { Place } from '../../jobs/waiting-line.ts';
import { createMemoryQueues } from './memory-queues.ts';

export const TOTAL_MS = 60_000;

export const FACTS = { server: 'a', attempts: 1, parkedMs: 0, promptTokens: 1, completionTokens: 2 };
export const NO_FACTS = {
  server: null,
  attempts: 0,
  parkedMs: 0,
  promptTokens: null,
  completionTokens: null,
};
export const START = { server: 'a', attempts: 1, parkedMs: 5 };

/** What a listener is told, in order. */
type Told = 'taken' | { started: object } | { chunks: string[] } | { end: DispatchEnd };

const dispatchers: Dispatcher[] = [];

afterEach(() => {
  for (const dispatcher of dispatchers.splice(0)) dispatcher.close();
});

/** A dispatcher over a store in memory, with one job that is about to be dispatched. */
export function setup() {
  const memory = createMemoryQueues();
  const clock = { ms: 1_000_000 };
  const now = () => clock.ms;
  const admission = createAdmission({
    queueDepth: { lightweight: 100, heavyweight: 100, embedding: 100 },
    now,
  });
  const dispatcher = createDispatcher({ queues: memory.queues, admission, totalMs: TOTAL_MS, now });
  dispatchers.push(dispatcher);
  const id = newJobId();
  const told: Told[] = [];
  const places: Place[] = [];
  const { bus } = memory.queues;
  const job: ModelJob = {
    requestId: newRequestId(),
    keyName: null,
    endpoint: 'chat/completions',
    model: 'm',
    modelClass: 'lightweight',
    priority: 'normal',
    maxWaitMs: null,
    stream: true,
    includeUsage: false,
    wholeOnly: false,
    replyTo: bus.inbox,
    body: '{}',
  };

  return {
    ...memory,
    dispatcher,
    line: admission.line('lightweight'),
    id,
    job,
    told,
    places,
    ends: () => told.filter((item) => typeof item === 'object' && 'end' in item).map((item) => item.end),
    dispatch: (maxWaitMs: number | null = null) =>
      dispatcher.dispatch(id, { ...job, maxWaitMs }, 1, {
        onQueued: (place) => places.push(place),
        onTaken: () => told.push('taken'),
        onStarted: ({ server, attempts, parkedMs }) => told.push({ started: { server, attempts, parkedMs } }),
        onChunks: (chunks) => told.push({ chunks }),
        onEnd: (end) => told.push({ end }),
      }),
    worker: (attempt = 1) => createWorker({ attempt, id, send: (message) => bus.send(bus.inbox, message) }),
    /** Lets time pass and runs one turn of the dispatcher's watch. */
    async pass(ms: number) {
      clock.ms += ms;
      await dispatcher.tick();
    },
    /** Who was told to stop the job, once everything that was begun is done. */
    async cancelled() {
      await new Promise((resolve) => setImmediate(resolve));
      return memory.sent.filter(({ message }) => message.kind === 'cancel').map(({ to }) => to);
    },
  };
}

type SendReply = (message: {
  kind: 'reply';
  jobId: JobId;
  attempt: number;
  seq: number;
  frame: ReplyFrame;
}) => unknown;

/** A worker's run of the job: numbers its frames and sends them. */
function createWorker({ attempt, id, send }: { attempt: number; id: JobId; send: SendReply }) {
  const inbox: InboxId = newInboxId();
  let seq = 0;
  const sendAt = (at: number, frame: ReplyFrame) =>
    void send({ kind: 'reply', jobId: id, attempt, seq: at, frame });
  const sendNext = (frame: ReplyFrame) => sendAt(seq++, frame);
  return {
    inbox,
    sendAt,
    take: () => sendNext({ type: 'taken', virtual: 0, worker: inbox }),
    begin: () => sendNext({ type: 'started', ...START }),
    say: (...data: string[]) => sendNext({ type: 'chunks', data }),
    finish: (body: string | null = null) => sendNext({ type: 'done', body, facts: FACTS }),
    fail: (error: Extract<ReplyFrame, { type: 'failed' }>['error']) =>
      sendNext({ type: 'failed', error, facts: FACTS }),
    /** Loses a frame on its way. */
    skip: () => void seq++,
  };
}
