import { milliseconds } from '../format.js';
import { html } from '../html.js';

/** @import { Step } from '../answers.ts' */

const ROWS_MAX = 200;

/** When each step ran. @param {{ steps: Step[], onChoose: (key: string) => void }} props */
export function RunBars({ steps, onChoose }) {
  const nowMs = Date.now();
  const begun = steps
    .flatMap((step) => (step.started_at === null ? [] : [toSpan(step, step.started_at, nowMs)]))
    .sort((one, other) => one.fromMs - other.fromMs);
  const spans = begun.slice(0, ROWS_MAX);
  const startMs = Math.min(...spans.map(({ fromMs }) => fromMs));
  const wholeMs = Math.max(1, ...spans.map(({ toMs }) => toMs - startMs));
  return html`
    <ol class="bars">
      ${spans.map(
        ({ step, fromMs, toMs }) => html`<li key=${step.id}>
          <button type="button" class="plain bar-label" onClick=${() => onChoose(step.id)}>${step.id}</button>
          <span class="bar-track">
            <span
              class=${`bar is-${step.status}`}
              style=${{ left: `${Math.min(99.6, (100 * (fromMs - startMs)) / wholeMs)}%`, width: `${Math.max(0.4, (100 * (toMs - fromMs)) / wholeMs)}%` }}
            ></span>
          </span>
          <span class="bar-time">${milliseconds(toMs - fromMs)}</span>
        </li>`,
      )}
    </ol>
    ${begun.length > ROWS_MAX && html`<p class="hint">The first ${ROWS_MAX} of ${begun.length} steps.</p>`}
    ${begun.length === 0 && html`<p class="hint">No step has begun.</p>`}
  `;
}

/** @param {Step} step @param {string} startedAt @param {number} nowMs */
function toSpan(step, startedAt, nowMs) {
  const toMs = step.finished_at === null ? nowMs : Date.parse(step.finished_at);
  return { step, fromMs: Date.parse(startedAt), toMs };
}
