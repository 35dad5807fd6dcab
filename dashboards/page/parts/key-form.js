import { call } from '../api.js';
import { html } from '../html.js';
import { useLayoutEffect, useRef, useState } from '../vendor/preact-hooks.js';
import { Failure } from './marks.js';

/** @import { ApiKey, FormEvent } from '../answers.ts' */

const LIMITS = /** @type {const} */ ([
  ['requests_per_minute', 'requests/min'],
  ['tokens_per_minute', 'tokens/min'],
  ['max_concurrency', 'at once'],
]);

/**
 * Makes a key, or changes what a known one may use. An empty field is no limit.
 * @param {{ known: ApiKey | null, onDone: (key: ApiKey) => void, onLeave?: () => void }} props
 */
export function KeyForm({ known, onDone, onLeave }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const first = useRef(/** @type {HTMLSelectElement | null} */ (null));
  // At once: later it would take the focus from whoever types already.
  useLayoutEffect(() => {
    if (known) first.current?.focus();
  }, []);

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    try {
      onDone(await send(toBody(new FormData(form), known), known));
      form.reset();
      setError(null);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }
  /** @param {KeyboardEvent} event */
  const leave = ({ key }) => {
    if (key === 'Escape') onLeave?.();
  };

  const budget = known?.token_budget;
  return html`<form class="filters" onSubmit=${submit} onKeyDown=${leave}>
    ${!known && html`<label>name <input name="name" required maxlength="100" /></label>`}
    <label>role
      <select name="role" ref=${first}>
        ${['user', 'admin'].map((role) => html`<option key=${role} selected=${role === known?.role}>${role}</option>`)}
      </select>
    </label>
    ${LIMITS.map(([name, label]) => html`<label key=${name}>${label} <input name=${name} type="number" min="1" defaultValue=${known?.[name] ?? ''} /></label>`)}
    <label>token budget <input name="budget" type="number" min="1" defaultValue=${budget?.tokens ?? ''} /></label>
    <label>per
      <select name="per">${['day', 'month'].map((per) => html`<option key=${per} selected=${per === budget?.per}>${per}</option>`)}</select>
    </label>
    <label>weight <input name="weight" type="number" min="0.01" max="1000" step="any" required defaultValue=${known?.weight ?? 1} /></label>
    <label>models <input name="models" placeholder="all; or: phi3, openchat" defaultValue=${known?.models?.join(', ') ?? ''} /></label>
    <label class="time">ends <input name="expires_at" type="datetime-local" defaultValue=${toLocal(known?.expires_at)} /></label>
    <button>${known ? 'Save' : 'Make'}</button>
    ${onLeave && html`<button type="button" class="plain" onClick=${onLeave}>Cancel</button>`}
    <${Failure} error=${error} />
  </form>`;
}

/** @param {object} body @param {ApiKey | null} known @returns {Promise<ApiKey>} */
function send(body, known) {
  if (known) return call(`/api/v1/keys/${known.id}`, { method: 'PATCH', body });
  return call('/api/v1/keys', { method: 'POST', body });
}

/** @param {FormData} fields @param {ApiKey | null} known */
function toBody(fields, known) {
  /** @param {string} name */
  const textOf = (name) => String(fields.get(name) ?? '').trim();
  /** @param {string} name */
  const numberOf = (name) => (textOf(name) === '' ? null : Number(textOf(name)));
  const models = textOf('models').split(',');
  const named = models.map((model) => model.trim()).filter(Boolean);
  const tokens = numberOf('budget');
  const end = textOf('expires_at');
  return {
    ...(known ? {} : { name: textOf('name') }),
    role: textOf('role'),
    weight: numberOf('weight'),
    ...Object.fromEntries(LIMITS.map(([name]) => [name, numberOf(name)])),
    models: named.length > 0 ? named : null,
    token_budget: tokens === null ? null : { tokens, per: textOf('per') },
    // The field knows no seconds: an end that nobody touched stays as it is.
    ...(end === toLocal(known?.expires_at)
      ? {}
      : { expires_at: end === '' ? null : new Date(end).toISOString() }),
  };
}

/** As a field for times takes it: of this place, to the minute. @param {string | null | undefined} at RFC 3339 */
function toLocal(at) {
  if (!at) return '';
  const time = new Date(at);
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length);
}
