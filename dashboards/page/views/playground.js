import { call, dataOf, newIdempotencyKey, stream } from '../api.js';
import { html } from '../html.js';
import { Failure } from '../parts/marks.js';
import { usePoll } from '../poll.js';
import { useRef, useState } from '../vendor/preact-hooks.js';

/** @typedef {{ role: string, content: string, jobId?: string }} Message */

/** A chat, and the job behind each answer. */
export function Playground() {
  const models = usePoll(() => call('/v1/models'), 10_000, []);
  const [messages, setMessages] = useState(/** @type {Message[]} */ ([]));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const [isBusy, setIsBusy] = useState(false);
  const choices = (models.data?.data ?? []).filter(
    (/** @type {any} */ one) => one.citadel.class !== 'embedding',
  );

  /** @param {SubmitEvent & { currentTarget: HTMLFormElement }} event */
  async function send(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    const content = String(fields.get('content'));
    const asked = [...messages, { role: 'user', content }];
    /** @param {Partial<Message>} answer */
    const show = (answer) => setMessages([...asked, { role: 'assistant', content: '', ...answer }]);
    running.current = new AbortController();
    setError(null);
    setIsBusy(true);
    show({});
    form.reset();
    try {
      await ask({
        model: String(fields.get('model')),
        messages: asked,
        show,
        signal: running.current.signal,
      });
    } catch (failure) {
      if (!running.current.signal.aborted) setError(/** @type {Error} */ (failure));
    } finally {
      setIsBusy(false);
    }
  }

  return html`
    <h1>Playground</h1>
    <div class="chat" id="chat" aria-live="polite">
      ${messages.map(
        ({ role, content, jobId }, index) => html`<article key=${index} class=${`message is-${role}`}>
          <p>${content}</p>
          ${jobId && html`<a href=${`#/jobs/${jobId}`}>The job behind it</a>`}
        </article>`,
      )}
    </div>
    <${Failure} error=${error ?? models.error} />
    <form class="composer" onSubmit=${send}>
      <label>Model
        <select name="model" required>
          ${choices.map((/** @type {any} */ { id }) => html`<option key=${id} value=${id}>${id}</option>`)}
        </select>
      </label>
      <label class="wide">Message <textarea name="content" rows="3" required onKeyDown=${sendOnEnter}></textarea></label>
      <button disabled=${isBusy}>Send</button>
      ${isBusy && html`<button type="button" class="plain" onClick=${() => running.current?.abort()}>Stop</button>`}
      ${messages.length > 0 && !isBusy && html`<button type="button" class="plain" onClick=${() => setMessages([])}>New chat</button>`}
    </form>
  `;
}

/** @param {KeyboardEvent & { currentTarget: HTMLTextAreaElement }} event */
function sendOnEnter(event) {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

/** @param {{ model: string, messages: Message[], show: (answer: Partial<Message>) => void, signal: AbortSignal }} options */
async function ask({ model, messages, show, signal }) {
  const response = await stream('/v1/chat/completions', {
    method: 'POST',
    body: { model, stream: true, messages: messages.map(({ role, content }) => ({ role, content })) },
    // With a key of its own the call is a job that can be opened; it is given up when the page leaves.
    headers: { 'idempotency-key': newIdempotencyKey(), 'x-citadel-on-disconnect': 'cancel' },
    signal,
  });
  const jobId = response.headers.get('x-citadel-job-id') ?? undefined;
  let content = '';
  show({ jobId });
  for await (const text of dataOf(response)) {
    if (text === '[DONE]') return;
    const { choices, error } = JSON.parse(text);
    if (error) throw new Error(error.message);
    content += choices?.[0]?.delta?.content ?? '';
    show({ content, jobId });
  }
}
