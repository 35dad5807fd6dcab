import { milliseconds } from '../format.js';
import { html } from '../html.js';

const ROWS_MAX = 200;

/** When each step ran. @param {{ steps: any[], onChoose: (key: string) => void }} props */
export function RunBars({ steps, onChoose }) {
  const begun = steps
    .filter(({ started_at }) => started_at !== null)
    .sort((one, other) => Date.parse(one.started_at) - Date.parse(other.started_at));
  const shown = begun.slice(0, ROWS_MAX);
  const nowMs = Date.now();
  const spans = shown.map((step) => ({
    step,
    fromMs: Date.parse(step.started_at),
    toMs: step.finished_at ? Date.parse(step.finished_at) : nowMs,
  }));
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
  `;
}
