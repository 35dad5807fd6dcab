import { call, own } from '../api.js';
import { count, time } from '../format.js';
import { html } from '../html.js';
import { Badge, Facts, Failure, Json } from '../parts/marks.js';
import { RunBars } from '../parts/run-bars.js';
import { placeOf, RunGraph } from '../parts/run-graph.js';
import { useRun } from '../parts/run-watch.js';
import { StepPanel } from '../parts/step-panel.js';
import { usePoll } from '../poll.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { FieldEvent, Plan, Run as RunAnswer, Step } from '../answers.ts' */
/** @typedef {{ id: string, status: string }} Item */

const ITEMS_MAX = 500;
/** By what a run is, what can be done with it. */
const ACTIONS = {
  queued: ['pause', 'cancel'],
  running: ['pause', 'cancel'],
  waiting: ['pause', 'cancel'],
  paused: ['resume', 'cancel'],
  succeeded: [],
  failed: ['retry'],
  cancelled: ['retry'],
};

/** @param {{ id: string }} props */
export function Run({ id }) {
  const { run, error, texts, path, reload } = useRun(id);
  const plan = usePoll(() => readPlan(id), null, [id]);
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  if (!run) return html`<p><a href="#/runs">← Runs</a></p><h1>Run</h1><${Failure} error=${error} />`;

  const key = chosen ?? firstOf(run.steps);
  const place = key === null ? null : placeOf(key);
  const items = run.steps.filter((step) => placeOf(step.id) === place);
  const step = items.find((one) => one.id === key) ?? items[0];
  const planned = plan.data?.plan.steps.find((one) => one.path === place);
  return html`
    <p><a href="#/runs">← Runs</a></p>
    <h1>${run.workflow} <${Badge} status=${run.status} /></h1>
    <${Facts}
      facts=${[
        ['Run', html`<code>${run.id}</code>`],
        ['Steps', count(run.steps.length)],
        ['Tokens', count(run.tokens)],
        ['Started', time(run.created_at)],
        ['Ended', time(run.finished_at)],
        [
          'Forked from',
          run.forked_from ? html`<a href=${`#/runs/${run.forked_from}`}>${run.forked_from}</a>` : '–',
        ],
      ]}
    />
    ${run.error && html`<p class="failure">${run.error.code}: ${run.error.message}</p>`}
    <${Failure} error=${error ?? plan.error} />
    <${Actions} run=${run} path=${path} onDone=${reload} />
    <div class="columns">
      <div>
        ${plan.data && html`<${RunGraph} plan=${plan.data.plan} steps=${run.steps} chosen=${place} onChoose=${setChosen} />`}
      </div>
      <div>
        ${items.length > 1 && html`<${Items} items=${items} chosen=${step?.id} onChoose=${setChosen} />`}
        ${step && html`<${StepPanel} run=${run} step=${step} type=${planned?.type ?? ''} text=${texts[step.id]?.text} path=${path} onDone=${reload} />`}
      </div>
    </div>
    <h2>Timeline</h2>
    <${RunBars} steps=${run.steps} onChoose=${setChosen} />
    <h2>Input and output</h2>
    <details><summary>Input</summary><${Json} value=${run.input} /></details>
    ${run.output !== null && html`<div id="output"><${Json} value=${run.output} /></div>`}
  `;
}

/** @param {string} id @returns {Promise<{ plan: Plan }>} */
const readPlan = (id) => own(`/api/runs/${encodeURIComponent(id)}/plan`);

/** @param {{ run: RunAnswer, path: string, onDone: () => void }} props */
function Actions({ run, path, onDone }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const actions = ACTIONS[/** @type {keyof typeof ACTIONS} */ (run.status)] ?? [];
  /** @param {string} action */
  const post = (action) => () => {
    setError(null);
    call(`${path}/${action}`, { method: 'POST' }).then(onDone, setError);
  };
  return html`<div class="actions">
    ${actions.map((action) => html`<button type="button" key=${action} onClick=${post(action)}>${action}</button>`)}
    <${Failure} error=${error} />
  </div>`;
}

/** The items of a map, or the turns of a loop. @param {{ items: Item[], chosen: string, onChoose: (key: string) => void }} props */
function Items({ items, chosen, onChoose }) {
  return html`<label>Item
    <select value=${chosen} onChange=${(/** @type {FieldEvent} */ event) => onChoose(event.currentTarget.value)}>
      ${items.slice(0, ITEMS_MAX).map(({ id, status }) => html`<option key=${id} value=${id}>${id} · ${status}</option>`)}
    </select>
  </label>`;
}

/** What an operator looks at first: what waits for somebody, else what failed, else what runs. @param {Step[]} steps */
function firstOf(steps) {
  for (const status of ['waiting', 'failed', 'running']) {
    const found = steps.find((step) => step.status === status);
    if (found) return found.id;
  }
  return steps[0]?.id ?? null;
}
