import type { Dispatcher } from 'undici';
import { BackendFailure } from '../core/backend-failure.ts';
import type { CallLimits, ModelAnswer } from '../servers/model-client.ts';
import type { AnswerLine, AnswerReader } from './answer-reader.ts';
import { openAnswerReader } from './answer-readers.ts';
import { isOfUsedSocket } from './server-connector.ts';
import { toTransportFailure } from './transport-failure.ts';

// After `[DONE]` only the end of the body is missing, which gives the connection back to its pool.
const DRAIN_MS = 1_000;
const DRAIN_BYTES_MAX = 64 * 1_024;
// The status is known by then; what the body says of it is worth a short wait.
const ERROR_BODY_MS = 2_000;

interface ModelExchangeOptions {
  limits: CallLimits;
  signal: AbortSignal;
  /** Sends the request once more, on a fresh connection. */
  resend(exchange: ModelExchange): void;
  /** The connection is done with, one way or the other. */
  onClosed(): void;
}

/**
 * One request and its answer, as undici's handler. A class, because one is made for each call and undici calls
 * methods.
 *
 * I1: `result` settles once; `onClosed` is called once, when undici lets go of the request.
 * I2: once over, no timer and no listener is left, and the socket is destroyed unless its body was read to the end.
 */
export class ModelExchange implements Dispatcher.DispatchHandler, AnswerLine {
  readonly #options: ModelExchangeOptions;
  readonly #result = Promise.withResolvers<ModelAnswer>();
  #state: 'queued' | 'sent' | 'draining' | 'over' = 'queued';
  #controller: Dispatcher.DispatchController | undefined;
  #reader: AnswerReader | undefined;
  #timer: NodeJS.Timeout;
  #bytes = 0;
  #idling = false;
  #paused = false;
  #answered = false;
  #resent = false;
  #responseBegun = false;

  constructor(options: ModelExchangeOptions) {
    this.#options = options;
    // Bounds the wait for a connection; starts anew when the request is written.
    this.#timer = setTimeout(this.#onSilence, options.limits.firstTokenMs);
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Throws BackendFailure, or the signal's reason. */
  get result(): Promise<ModelAnswer> {
    return this.#result.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown, not aborted: nothing is written yet, so the connection stays good for the next call.
    if (this.#state === 'over') throw new Error('given up before it was sent');
    this.#controller = controller;
    this.#state = 'sent';
    this.#timer.refresh();
  }

  onResponseStarted(): void {
    this.#responseBegun = true;
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    try {
      this.#reader = openAnswerReader({
        status,
        headers,
        bytesMax: this.#options.limits.answerBytesMax,
        line: this,
      });
      if (status !== 200) this.#rearm(ERROR_BODY_MS);
    } catch (error) {
      this.#fail(error);
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#state === 'draining' && this.#bytes > DRAIN_BYTES_MAX)
      this.#drop('it sends more after the end');
    if (this.#state !== 'sent') return;
    try {
      if (this.#bytes > this.#options.limits.answerBytesMax) {
        throw new BackendFailure('too_large', "The model server's answer is too large.");
      }
      this.#reader?.push(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  onResponseEnd(): void {
    if (this.#state === 'sent') {
      try {
        this.#reader?.end();
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#settle();
    this.#options.onClosed();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    // A server may close an idle connection just as our request goes out on it. That says nothing about the server,
    // so the request goes out once more; on a fresh connection, because the pool's others may be as old.
    if (this.#state === 'sent' && !this.#responseBegun && !this.#resent && isOfUsedSocket(error)) {
      this.#resent = true;
      this.#state = 'queued';
      this.#options.resend(this);
      return;
    }
    if (this.#state !== 'draining') this.#fail(toTransportFailure(error, this.#progress()));
    this.#settle();
    this.#options.onClosed();
  }

  answer(answer: ModelAnswer): void {
    this.#answered = true;
    this.#result.resolve(answer);
  }

  progress(): void {
    if (this.#idling) {
      this.#timer.refresh();
      return;
    }
    this.#idling = true;
    this.#rearm(this.#options.limits.idleMs);
  }

  finish(): void {
    this.#settle();
    this.#state = 'draining';
    this.#bytes = 0;
    this.#rearm(DRAIN_MS);
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#state !== 'sent') return;
    this.#timer.refresh();
    this.#controller?.resume();
  }

  leave(): void {
    this.#drop('its reader left');
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#options.signal;
    if (this.#answered) this.#reader?.abort?.(reason);
    this.#result.reject(reason);
    this.#drop('aborted');
  };

  readonly #onSilence = (): void => {
    if (this.#state === 'draining') {
      this.#drop('its body does not end');
      return;
    }
    // Paused, it is we who do not read.
    if (!this.#paused) this.#fail(new BackendFailure('timeout', this.#describeSilence()));
  };

  #progress(): 'unconnected' | 'sent' | 'answered' {
    if (this.#responseBegun) return 'answered';
    return this.#state === 'queued' ? 'unconnected' : 'sent';
  }

  #describeSilence(): string {
    if (this.#state === 'queued') return 'No connection to the model server was free in time.';
    return this.#idling ? 'The model server fell silent.' : 'The model server sent no first token in time.';
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return;
    const failure = this.#reader?.verdict?.() ?? error;
    if (this.#answered) this.#reader?.fail?.(failure);
    this.#result.reject(failure);
    this.#drop('its answer is of no use');
  }

  /** Destroys the socket, if the request has one. */
  #drop(why: string): void {
    this.#settle();
    this.#controller?.abort(new Error(`The call was dropped: ${why}.`));
  }

  // In a microtask: most short answers are over by then, and need no second timer.
  #rearm(limitMs: number): void {
    queueMicrotask(() => {
      if (this.#state === 'over') return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#onSilence, limitMs);
    });
  }

  #settle(): void {
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }
}
