/** An answer that says no, or that did not come. */
class ApiError extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Told when a call finds that nobody is signed in. */
export const signedOut = new EventTarget();

const CALLS = '/dashboard/call';
const KEY_BYTES = 16;
const LIMIT_MS = 15_000;

/** @typedef {{ method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} CallOptions */

/**
 * A call of the API, as the admin who is signed in.
 * @template T what the route answers (answers.ts)
 * @param {string} path such as `/v1/models`
 * @param {CallOptions} [options]
 * @returns {Promise<T>}
 */
export async function call(path, options) {
  return (await request(CALLS + path, options)).json();
}

/**
 * The page's own routes, such as `/session`.
 * @template T what the route answers
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<T>}
 */
export async function own(path, options) {
  return (await request(`/dashboard${path}`, options)).json();
}

/**
 * A call whose answer is read as it comes.
 * @param {string} path
 * @param {CallOptions} options
 */
export function stream(path, options) {
  return request(CALLS + path, options);
}

/** A key under which a call may be made again. (`randomUUID` is for pages that came by HTTPS or from this machine.) */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {string} path */
export const eventsOf = (path) => new EventSource(CALLS + path);

/**
 * @param {string} url
 * @param {CallOptions} [options]
 */
async function request(
  url,
  { method = 'GET', body, headers = {}, signal = AbortSignal.timeout(LIMIT_MS) } = {},
) {
  const isJson = body !== undefined && !(body instanceof FormData);
  /** @type {Record<string, string>} */
  const type = isJson ? { 'content-type': 'application/json' } : {};
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: { 'x-citadel-page': '1', ...type, ...headers },
      body: toBody(body),
      signal,
      credentials: 'same-origin',
    });
  } catch (error) {
    throw new ApiError(0, 'no_answer', signal.aborted ? 'The answer did not come in time.' : String(error));
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({ error: null }));
  if (response.status === 401) signedOut.dispatchEvent(new Event('signed-out'));
  throw new ApiError(
    response.status,
    error?.code ?? 'unknown',
    error?.message ?? `Status ${response.status}.`,
  );
}

/** JSON that is written already, and files, go as they are. @param {unknown} body */
function toBody(body) {
  const isWritten = body === undefined || typeof body === 'string' || body instanceof FormData;
  return isWritten ? body : JSON.stringify(body);
}

/**
 * The `data:` texts of a stream of events.
 * @param {Response} response
 */
export async function* dataOf(response) {
  if (!response.body) return;
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data: ')) yield line.slice('data: '.length);
  }
}
