import { pretty } from '../format.js';
import { html } from '../html.js';

/** @param {{ status: string }} props */
export const Badge = ({ status }) => html`<span class=${`badge is-${status}`}>${status}</span>`;

/** @param {{ error: Error | null }} props */
export const Failure = ({ error }) => error && html`<p class="failure" role="alert">${error.message}</p>`;

/** @param {{ value: unknown }} props */
export const Json = ({ value }) => html`<pre class="json" tabindex="0">${pretty(value)}</pre>`;

/**
 * Facts side by side.
 * @param {{ facts: [string, unknown][] }} props
 */
export const Facts = ({ facts }) => html`<dl class="facts">
  ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;
