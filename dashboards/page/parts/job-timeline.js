import { milliseconds } from '../format.js';
import { html } from '../html.js';

/** @typedef {{ at: string, event: string, server?: string, attempt?: number, reason?: string, candidates?: any[] }} Entry */
/** @typedef {{ kind: string, label: string, fromMs: number, toMs: number, why?: string, firstTokenMs?: number, candidates?: any[] }} Bar */

const ENDS = ['done', 'failed', 'cancelled', 'started'];

/** How a job went, as bars: the time in the queue, then each call of a server. @param {{ timeline: Entry[] }} props */
export function JobTimeline({ timeline }) {
  const bars = toBars(timeline);
  const startMs = bars[0]?.fromMs ?? 0;
  const wholeMs = Math.max(1, ...bars.map(({ toMs }) => toMs - startMs));
  return html`<ol class="bars">
    ${bars.map(
      (bar, index) => html`<li key=${index}>
        <span class="bar-label">${bar.label}</span>
        <span class="bar-track">
          <span class=${`bar is-${bar.kind}`} style=${placeOf(bar, startMs, wholeMs)}></span>
          ${
            bar.firstTokenMs !== undefined &&
            html`<span class="bar-mark" title="first token" style=${{ left: `${(100 * (bar.firstTokenMs - startMs)) / wholeMs}%` }}></span>`
          }
        </span>
        <span class="bar-time">${milliseconds(bar.toMs - bar.fromMs)}</span>
        ${bar.why && html`<span class="bar-why">${bar.why}</span>`}
        ${
          bar.firstTokenMs !== undefined &&
          html`<span class="bar-why">first token after ${milliseconds(bar.firstTokenMs - bar.fromMs)}</span>`
        }
        ${
          bar.candidates &&
          html`<details class="bar-why">
          <summary>Servers looked at: ${bar.candidates.length}</summary>
          <ul>${bar.candidates.map((one) => html`<li key=${one.server}>${one.server}: ${one.reason}</li>`)}</ul>
        </details>`
        }
      </li>`,
    )}
  </ol>`;
}

/**
 * @param {Bar} bar
 * @param {number} startMs
 * @param {number} wholeMs
 */
function placeOf({ fromMs, toMs }, startMs, wholeMs) {
  const width = Math.max(0.4, (100 * (toMs - fromMs)) / wholeMs);
  return { left: `${Math.min(99.6, (100 * (fromMs - startMs)) / wholeMs)}%`, width: `${width}%` };
}

/** @param {Entry[]} timeline @returns {Bar[]} */
function toBars(timeline) {
  const entries = timeline.map((entry) => ({ ...entry, ms: Date.parse(entry.at) }));
  const [queued] = entries;
  if (!queued) return [];
  const lastMs = Math.max(...entries.map(({ ms }) => ms));
  const isOver = ENDS.slice(0, 3).includes(entries.at(-1)?.event ?? '');
  const endMs = isOver ? lastMs : Math.max(lastMs, Date.now());
  const taken = entries.find(({ event }) => event === 'attempt' || event === 'failed');
  /** @type {Bar[]} */
  const bars = [{ kind: 'queued', label: 'queued', fromMs: queued.ms, toMs: taken?.ms ?? endMs }];
  for (const [index, { event, ms, server, attempt, reason, candidates }] of entries.entries()) {
    if (event !== 'attempt') continue;
    const later = entries.slice(index + 1);
    const end = later.find((one) => ENDS.includes(one.event) || one.event === 'attempt');
    const firstToken = later.find((one) => one.event === 'first_token' && one.ms <= (end?.ms ?? endMs));
    const why = [reason, end?.event === 'failed' && end.reason].filter(Boolean).join(' → ');
    const kind = end?.event === 'failed' ? 'failed' : end?.event === 'done' ? 'succeeded' : 'running';
    bars.push({
      ...{
        kind,
        label: `${attempt ?? ''} ${server ?? ''}`.trim(),
        fromMs: ms,
        toMs: end?.ms ?? endMs,
        why,
        candidates,
      },
      ...(firstToken ? { firstTokenMs: firstToken.ms } : {}),
    });
  }
  return bars;
}
