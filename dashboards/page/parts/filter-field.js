import { html } from '../html.js';
import { useEffect, useState } from '../vendor/preact-hooks.js';

/**
 * A filter that holds once it is typed. What is being typed stays there while the page is drawn anew.
 * @param {{ label: string, name: string, value: string, onChange: unknown, type?: string, list?: string, class?: string }} props
 */
export function FilterField({ label, value, class: look, ...input }) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  /** @param {Event & { currentTarget: HTMLInputElement }} event */
  const type = ({ currentTarget }) => setDraft(currentTarget.value);
  return html`<label class=${look}>${label} <input ...${input} value=${draft} onInput=${type} /></label>`;
}
