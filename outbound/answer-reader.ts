import type { BackendFailure } from '../core/backend-failure.ts';
import type { ModelAnswer } from '../servers/model-client.ts';
import type { EventFlow } from './event-queue.ts';

/** Makes an answer of a body. `push` and `end` throw BackendFailure, which ends the exchange. */
export interface AnswerReader {
  push(chunk: Buffer): void;
  /** The body ended as HTTP says it should. */
  end(): void;
  /** Passes on to whoever has the answer already that it goes wrong from here. */
  fail?(error: unknown): void;
  /** As `fail`, but at once: what was not read yet is dropped. */
  abort?(reason: unknown): void;
  /** What the headers told already, and what stands whatever becomes of the body. */
  verdict?(): BackendFailure;
}

/** What a reader tells the exchange that feeds it. */
export interface AnswerLine extends EventFlow {
  /** The answer is there: the call resolves. */
  answer(answer: ModelAnswer): void;
  /** Something complete has come: the clock starts anew. */
  progress(): void;
  /** The answer is complete, whatever follows. */
  finish(): void;
}
