import type { JobId } from '../core/ids.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { AnswerFacts, ReplyBus, ReplyError, ReplyFrame } from '../jobs/reply-bus.ts';

/** Writes one run's frames to the process that waits for them. */
export interface ReplyWriter {
  taken(virtual: number): void;
  parked(): void;
  running(virtual: number): void;
  started(start: Omit<Extract<ReplyFrame, { type: 'started' }>, 'type'>): void;
  chunks(data: string[]): void;
  progress(call: number, data: string[]): void;
  /** Resolves when the answer is out of this process's hands. */
  done(body: string | null, facts: AnswerFacts): Promise<void>;
  failed(error: ReplyError, facts: AnswerFacts): Promise<void>;
  /** Whether the caller has seen a part of the answer, so that no other server can begin anew. */
  begun(): boolean;
}

interface ReplyWriterOptions {
  bus: ReplyBus;
  jobId: JobId;
  attempt: number;
  replyTo: ModelJob['replyTo'];
  /** Called when the waiting process is gone, or cannot be reached. */
  onLost: () => void;
}

export function createReplyWriter({ bus, jobId, attempt, replyTo, onLost }: ReplyWriterOptions): ReplyWriter {
  let seq = 0;
  let begun = false;

  return {
    taken: (virtual) => sendLoosely({ type: 'taken', worker: bus.inbox, virtual }),
    parked: () => sendLoosely({ type: 'parked' }),
    running: (virtual) => sendLoosely({ type: 'running', virtual }),
    started: (start) => sendLoosely({ type: 'started', ...start }),
    chunks(data) {
      begun = true;
      sendLoosely({ type: 'chunks', data });
    },
    progress: (call, data) => sendLoosely({ type: 'progress', call, data }),
    done: (body, facts) => send({ type: 'done', body, facts }),
    failed: (error, facts) => send({ type: 'failed', error, facts }),
    begun: () => begun,
  };

  async function send(frame: ReplyFrame): Promise<void> {
    const there = await bus.send(replyTo, { kind: 'reply', jobId, attempt, seq: seq++, frame });
    if (!there) onLost();
  }

  // Tokens are not waited for: the bus keeps their order, and bounds what it holds.
  function sendLoosely(frame: ReplyFrame): void {
    send(frame).catch(onLost);
  }
}
