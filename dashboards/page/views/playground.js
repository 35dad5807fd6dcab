import { dataOf, newIdempotencyKey, stream } from '../api.js';
import { html } from '../html.js';
import { Failure } from '../parts/marks.js';
import { ModelOptions, useModels } from '../parts/models.js';
import { useEffect, useRef, useState } from '../vendor/preact-hooks.js';

/** @import { ChatChunk, FormEvent } from '../answers.ts' */
/** @typedef {{ role: string, content: string, jobId?: string }} Message */

const NEAR_END_PX = 160;

/** A chat, and the job behind each answer. */
export function Playground() {
  const { models, error: modelsError } = useModels({ without: 'embedding' });
  const [messages, setMessages] = useState(/** @type {Message[]} */ ([]));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const [isBusy, setIsBusy] = useState(false);

  /** @param {FormEvent} event */
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

  /** @param {KeyboardEvent} event */
  const stopOnEscape = ({ key }) => {
    if (key === 'Escape') running.current?.abort();
  };
  const end = useFollow(messages);

  return html`
    <h1>Playground</h1>
    <${Messages} messages=${messages} isBusy=${isBusy} />
    <${Failure} error=${error ?? modelsError} />
    <form class="composer" ref=${end} onSubmit=${send} onKeyDown=${stopOnEscape}>
      <label>Model
        <select name="model" required>
          <${ModelOptions} models=${models} />
        </select>
      </label>
      <label class="wide">Message <textarea name="content" rows="3" required onKeyDown=${sendOnEnter}></textarea></label>
      <button disabled=${isBusy}>Send</button>
      ${isBusy && html`<button type="button" class="plain" onClick=${() => running.current?.abort()}>Stop</button>`}
      ${messages.length > 0 && !isBusy && html`<button type="button" class="plain" onClick=${() => setMessages([])}>New chat</button>`}
    </form>
  `;
}

/** What was said. It is read out when an answer is whole. @param {{ messages: Message[], isBusy: boolean }} props */
function Messages({ messages, isBusy }) {
  return html`<div class="chat" id="chat" aria-live="polite" aria-busy=${isBusy}>
    ${messages.map(
      ({ role, content, jobId }, index) => html`<article key=${index} class=${`message is-${role}`}>
        <p>${content}</p>
        ${jobId && html`<a href=${`#/jobs/${jobId}`}>The job behind it</a>`}
      </article>`,
    )}
  </div>`;
}

/** Whoever looks at the end goes on to see it; who has scrolled up to read is left there. @param {Message[]} messages */
function useFollow(messages) {
  const end = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => {
    const { scrollHeight } = document.documentElement;
    if (scrollHeight - window.scrollY - window.innerHeight < NEAR_END_PX)
      end.current?.scrollIntoView({ block: 'end' });
  }, [messages]);
  return end;
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
    const { choices, error } = /** @type {ChatChunk} */ (JSON.parse(text));
    if (error) throw new Error(error.message);
    content += choices?.[0]?.delta?.content ?? '';
    show({ content, jobId });
  }
}
