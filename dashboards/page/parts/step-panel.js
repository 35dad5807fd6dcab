import { call, newIdempotencyKey, own } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { useEffect, useState } from '../vendor/preact-hooks.js';
import { Badge, Facts, Failure, Json } from './marks.js';

/** @import { AcceptedRun, FormEvent, Run, Step } from '../answers.ts' */

/**
 * One step: what went in and came out, what it says now, and what can be done with it.
 * @param {{ run: Run, step: Step, type: string, text: string | undefined, path: string, onDone: () => void }} props
 */
export function StepPanel({ run, step, type, text, path, onDone }) {
  const [input, setInput] = useState(/** @type {{ input: unknown } | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  useEffect(() => {
    setInput(null);
    setError(null);
  }, [step.id]);

  const key = step.id.split('/').map(encodeURIComponent).join('/');
  const show = () => own(`/api/runs/${encodeURIComponent(run.id)}/steps/${key}`).then(setInput, setError);
  const isAnswered = step.status === 'waiting' && (type === 'approve' || type === 'wait_event');
  return html`<section class="panel" id="step" aria-label=${`Step ${step.id}`}>
    <h2><code>${step.id}</code> <${Badge} status=${step.status} /></h2>
    <${Facts} facts=${factsOf(step, type)} />
    ${step.error && html`<p class="failure">${step.error.code}: ${step.error.message}</p>`}
    ${isAnswered && html`<${Answer} step=${step} type=${type} path=${path} onDone=${onDone} />`}
    ${text !== undefined && step.output === null && html`<h3>Says</h3><pre class="json" id="says">${text}</pre>`}
    <h3>Input</h3>
    ${input === null ? html`<button type="button" onClick=${show}>Show input</button>` : html`<${Json} value=${input.input} />`}
    <${Failure} error=${error} />
    ${step.output !== null && html`<h3>Output</h3><${Json} value=${step.output} />`}
    ${!step.id.includes('/') && html`<${Fork} step=${step} run=${run} path=${path} />`}
  </section>`;
}

/** @param {Step} step @param {string} type @returns {[string, unknown][]} */
function factsOf(step, type) {
  const { child_run_id: child, wake_at: wake } = step;
  return [
    ['Type', type],
    ['Attempts', count(step.attempts)],
    ['Started', time(step.started_at)],
    ['Ended', time(step.finished_at)],
    .../** @type {[string, unknown][]} */ (wake ? [['Wakes', time(wake)]] : []),
    .../** @type {[string, unknown][]} */ (
      child ? [['Run', html`<a href=${`#/runs/${child}`}>${child}</a>`]] : []
    ),
  ];
}

/** An approval, or the event that the step waits for. @param {{ step: Step, type: string, path: string, onDone: () => void }} props */
function Answer({ step, type, path, onDone }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const name = String(fields.get('name') ?? step.id);
    try {
      const body = JSON.stringify(JSON.parse(String(fields.get('body'))));
      await call(`${path}/signals/${encodeURIComponent(name)}`, { method: 'POST', body });
      onDone();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`<form class="answer" onSubmit=${submit}>
    ${type === 'wait_event' && html`<label>Event <input name="name" required /></label>`}
    <label class="wide">Answer, as JSON <textarea name="body" rows="3">${type === 'approve' ? '{"approved": true}' : 'null'}</textarea></label>
    <button>${type === 'approve' ? 'Approve' : 'Send'}</button>
    <${Failure} error=${error} />
  </form>`;
}

/** A new run from this step on. @param {{ step: Step, run: Run, path: string }} props */
function Fork({ step, run, path }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const input = String(new FormData(event.currentTarget).get('input')).trim();
    try {
      const set = input === '' ? {} : { set: { input: JSON.parse(input) } };
      const headers = { 'idempotency-key': newIdempotencyKey() };
      const body = { from_step: step.id, ...set };
      const made = /** @type {AcceptedRun} */ (await call(`${path}/fork`, { method: 'POST', body, headers }));
      location.hash = `#/runs/${made.id}`;
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`<details>
    <summary>Fork from here</summary>
    <form class="answer" onSubmit=${submit}>
      <label class="wide">Another input, as JSON; empty keeps ${run.workflow}’s <textarea name="input" rows="3"></textarea></label>
      <button>Fork</button>
      <${Failure} error=${error} />
    </form>
  </details>`;
}
