import { milliseconds } from '../format.js';
import { html } from '../html.js';

/** @import { TimelineEntry } from '../answers.ts' */
/** @typedef {TimelineEntry & { ms: number }} Entry */
/**
 * @typedef {{
 *   kind: string, label: string, fromMs: number, toMs: number,
 *   why?: string, firstTokenMs?: number, candidates?: TimelineEntry['candidates'],
 * }} Bar
 */

const JOB_ENDS = ['done', 'failed', 'cancelled'];
const CALL_ENDS = [...JOB_ENDS, 'started', 'attempt'];

/** How a job went, as bars: the time in the queue, then each call of a server, up to the end. @param {{ timeline: TimelineEntry[] }} props */
export function JobTimeline({ timeline }) {
  const entries = timeline.map((entry) => ({ ...entry, ms: Date.parse(entry.at) }));
  const bars = toBars(entries);
  const startMs = bars[0]?.fromMs ?? 0;
  const wholeMs = Math.max(1, ...bars.map(({ toMs }) => toMs - startMs));
  const last = entries.at(-1);
  return html`
    <ol class="bars" id="timeline">
      ${bars.map((bar, index) => html`<${BarRow} key=${index} bar=${bar} startMs=${startMs} wholeMs=${wholeMs} />`)}
    </ol>
    ${last && isOver(entries) && html`<p class="hint" id="job-end">${last.event} after ${milliseconds(last.ms - startMs)}</p>`}
  `;
}

/** @param {{ bar: Bar, startMs: number, wholeMs: number }} props */
function BarRow({ bar, startMs, wholeMs }) {
  const { kind, label, fromMs, toMs, why, firstTokenMs, candidates } = bar;
  return html`<li>
    <span class="bar-label">${label}</span>
    <span class="bar-track">
      <span class=${`bar is-${kind}`} style=${placeOf(bar, startMs, wholeMs)}></span>
      ${
        firstTokenMs !== undefined &&
        html`<span class="bar-mark" title="first token" style=${{ left: `${(100 * (firstTokenMs - startMs)) / wholeMs}%` }}></span>`
      }
    </span>
    <span class="bar-time">${milliseconds(toMs - fromMs)}</span>
    ${why && html`<span class="bar-why">${why}</span>`}
    ${firstTokenMs !== undefined && html`<span class="bar-why">first token after ${milliseconds(firstTokenMs - fromMs)}</span>`}
    ${
      candidates &&
      html`<details class="bar-why">
      <summary>Servers looked at: ${candidates.length}</summary>
      <ul>${candidates.map((one) => html`<li key=${one.server}>${one.server}: ${one.reason}</li>`)}</ul>
    </details>`
    }
  </li>`;
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

/** The last entry of a job that has ended is its end, which is of no attempt. @param {Entry[]} entries */
function isOver(entries) {
  const last = entries.at(-1);
  return last !== undefined && JOB_ENDS.includes(last.event) && last.attempt === undefined;
}

/** @param {Entry[]} entries @returns {Bar[]} */
function toBars(entries) {
  const lastMs = Math.max(...entries.map(({ ms }) => ms));
  const endMs = isOver(entries) ? lastMs : Math.max(lastMs, Date.now());
  return entries.flatMap((entry, index) => {
    const later = entries.slice(index + 1);
    if (entry.event === 'queued') return [toWait(entry.ms, 'queued', later, endMs)];
    if (entry.event === 'attempt') return [toCall(entry, later, endMs)];
    // A further try, after a pause: the first one begins while the job is queued.
    const before = entries[index - 1];
    const isAgain = entry.event === 'started' && before !== undefined && before.event !== 'queued';
    return isAgain ? [toWait(before.ms, 'queued again', later, endMs)] : [];
  });
}

/**
 * @param {number} fromMs
 * @param {string} label
 * @param {Entry[]} later
 * @param {number} endMs
 * @returns {Bar}
 */
function toWait(fromMs, label, later, endMs) {
  const taken = later.find(({ event }) => event === 'attempt' || JOB_ENDS.includes(event));
  return { kind: 'queued', label, fromMs, toMs: taken?.ms ?? endMs };
}

/**
 * @param {Entry} entry
 * @param {Entry[]} later
 * @param {number} endMs
 * @returns {Bar}
 */
function toCall({ ms, server = '', attempt = 1, reason, candidates }, later, endMs) {
  const end = later.find(({ event }) => CALL_ENDS.includes(event));
  const firstToken = later.find((one) => one.event === 'first_token' && one.ms <= (end?.ms ?? endMs));
  const failure = end?.event === 'failed' ? end.reason : undefined;
  return {
    kind: kindOf(end?.event),
    label: `attempt ${attempt} · ${server}`,
    fromMs: ms,
    toMs: end?.ms ?? endMs,
    why: [reason, failure].filter(Boolean).join(' → '),
    ...(candidates ? { candidates } : {}),
    ...(firstToken ? { firstTokenMs: firstToken.ms } : {}),
  };
}

/** @param {string | undefined} end */
function kindOf(end) {
  if (end === 'failed' || end === 'cancelled') return end;
  return end === 'done' ? 'succeeded' : 'running';
}
