import { call, newIdempotencyKey, own } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { JobTimeline } from '../parts/job-timeline.js';
import { Badge, Facts, Failure, Json } from '../parts/marks.js';
import { ModelOptions, useModels } from '../parts/models.js';
import { usePoll } from '../poll.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { AcceptedJob, FormEvent, Job as JobAnswer } from '../answers.ts' */

const ENDED = ['succeeded', 'failed', 'cancelled'];

/** @param {{ id: string }} props */
export function Job({ id }) {
  const path = `/api/v1/orchestrate/${encodeURIComponent(id)}`;
  const [everyMs, setEveryMs] = useState(/** @type {number | null} */ (700));
  const {
    data: job,
    error,
    reload,
  } = usePoll(
    async () => {
      const found = /** @type {JobAnswer} */ (await call(path));
      setEveryMs(ENDED.includes(found.status) ? null : 700);
      return found;
    },
    everyMs,
    [id],
  );
  if (!job) return html`<p><a href="#/jobs">← Jobs</a></p><h1>Job</h1><${Failure} error=${error} />`;
  const isKept = job.mode === 'accepted';
  return html`
    <p><a href="#/jobs">← Jobs</a></p>
    <h1><code>${job.id}</code> <${Badge} status=${job.status} /></h1>
    <${Facts}
      facts=${[
        ['Kind', job.kind],
        ['Mode', job.mode],
        ['Model', job.model ?? '–'],
        ['Class', job.class ?? '–'],
        ['Key', job.key_name ?? '–'],
        ['Priority', job.priority ?? '–'],
        ['Tokens', count(job.tokens)],
        ['Accepted', time(job.created_at)],
        ['Ended', time(job.finished_at)],
        ['Run', job.run_id ? html`<a href=${`#/runs/${job.run_id}`}>${job.run_id}</a>` : '–'],
      ]}
    />
    ${job.error && html`<p class="failure">${job.error.code}: ${job.error.message}</p>`}
    <${Failure} error=${error} />
    ${isKept && html`<${Actions} job=${job} path=${path} onDone=${reload} />`}
    <h2>Timeline</h2>
    <${JobTimeline} timeline=${job.timeline} />
    ${isKept ? html`<${Contents} job=${job} />` : NOT_KEPT}
  `;
}

const NOT_KEPT = html`<p class="hint" id="not-kept">
  Its caller waited for the answer, and Citadel keeps neither that nor the request: it has ended, and cannot be shown, tried again or replayed.
</p>`;

/** @param {{ job: JobAnswer, path: string, onDone: () => void }} props */
function Actions({ job, path, onDone }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const isEnded = ENDED.includes(job.status);

  /** @param {() => Promise<unknown>} action */
  const run = (action) => () => {
    setError(null);
    action().then(onDone, setError);
  };
  const post = (/** @type {string} */ action) => run(() => call(`${path}/${action}`, { method: 'POST' }));
  return html`<div class="actions">
    ${!isEnded && html`<button type="button" onClick=${post('cancel')}>Cancel</button>`}
    ${job.status === 'failed' && html`<button type="button" onClick=${post('retry')}>Retry</button>`}
    ${job.kind !== 'workflow' && html`<${Replay} job=${job} onError=${setError} />`}
    <${Failure} error=${error} />
  </div>`;
}

/** The same request once more, for another model. @param {{ job: JobAnswer, onError: (error: Error) => void }} props */
function Replay({ job, onError }) {
  const { models } = useModels(job.kind === 'embedding' ? { only: 'embedding' } : { without: 'embedding' });

  /** @param {FormEvent} event */
  async function replay(event) {
    event.preventDefault();
    const model = String(new FormData(event.currentTarget).get('model'));
    try {
      const made = await submitAgain(job, model);
      location.hash = `#/jobs/${made.id}`;
    } catch (error) {
      onError(/** @type {Error} */ (error));
    }
  }

  return html`<form class="inline" onSubmit=${replay}>
    <label>
      Replay to
      <select name="model">
        <${ModelOptions} models=${models} />
      </select>
    </label>
    <button>Replay</button>
  </form>`;
}

/**
 * @param {JobAnswer} job
 * @param {string} model
 * @returns {Promise<AcceptedJob>}
 */
async function submitAgain({ id, priority }, model) {
  const about = `?model=${encodeURIComponent(model)}`;
  // As text: numbers that JavaScript would round stay as they are.
  const found = await fetch(`/dashboard/api/jobs/${encodeURIComponent(id)}/request${about}`);
  if (!found.ok) throw new Error((await found.json()).error.message);
  const text = await found.text();
  const body = `${text.slice(0, -1)},"priority":${JSON.stringify(priority)}}`;
  const headers = { 'idempotency-key': newIdempotencyKey() };
  return await call('/api/v1/orchestrate', { method: 'POST', body, headers });
}

/** What was asked and answered, for whoever says that they want to see it. @param {{ job: JobAnswer }} props */
function Contents({ job }) {
  const [request, setRequest] = useState(/** @type {{ request: unknown } | null} */ (null));
  const [isShown, setIsShown] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const show = () => own(`/api/jobs/${encodeURIComponent(job.id)}/request`).then(setRequest, setError);
  return html`
    <h2>Request</h2>
    ${request === null ? html`<button type="button" onClick=${show}>Show request</button>` : html`<${Json} value=${request.request} />`}
    <${Failure} error=${error} />
    <h2>Answer</h2>
    ${job.result === null && html`<p class="hint">There is none.</p>`}
    ${job.result !== null && !isShown && html`<button type="button" onClick=${() => setIsShown(true)}>Show answer</button>`}
    ${isShown && html`<${Json} value=${job.result} />`}
  `;
}
