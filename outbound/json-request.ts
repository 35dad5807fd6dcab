import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { BackendFailure } from '../core/backend-failure.ts';
import { createByteCollector } from './byte-collector.ts';
import { toTransportFailure } from './transport-failure.ts';

interface JsonRequest {
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  path: string;
  headers?: string[];
  bytesMax: number;
  signal: AbortSignal;
}

/** GETs one JSON document, without following redirects. Throws BackendFailure, or the signal's reason. */
export async function requestJson(
  options: JsonRequest,
): Promise<{ json: unknown; headers: IncomingHttpHeaders }> {
  const { request, path, signal } = options;
  let answered = false;
  try {
    const { statusCode, headers, body } = await request({
      method: 'GET',
      path,
      headers: [...GET_HEADERS, ...(options.headers ?? [])],
      signal,
    });
    answered = true;
    if (statusCode !== 200) {
      body.on('error', ignore).destroy();
      throw new BackendFailure('status', `The model server answered ${statusCode}.`, { status: statusCode });
    }
    return { json: parse(await readText(body, options.bytesMax)), headers };
  } catch (error) {
    signal.throwIfAborted();
    throw toTransportFailure(error, answered ? 'answered' : 'sent');
  }
}

/** Runs `work` with a signal that is aborted with a BackendFailure (`timeout`) after `timeoutMs`. */
export async function withTimeout<T>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const silence = new BackendFailure('timeout', 'The model server did not answer in time.');
  const timer = setTimeout(() => controller.abort(silence), timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    // What `work` left running, when one of several requests failed, ends here.
    controller.abort(silence);
  }
}

const GET_HEADERS = ['accept', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'citadel'];

// Destroying a body before its end makes it emit an error, which would end the process.
const ignore = () => {};

async function readText(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<string> {
  const collector = createByteCollector();
  for await (const chunk of body) {
    collector.append(chunk);
    // Throwing out of the loop destroys the body, and so the socket.
    if (collector.sizeBytes > bytesMax) {
      throw new BackendFailure('too_large', "The model server's answer is too large.");
    }
  }
  return collector.text();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BackendFailure('malformed', 'The model server sent an answer that is not JSON.', {
      cause: error,
    });
  }
}
