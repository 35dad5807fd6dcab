import { call } from '../api.js';
import { count, decimal, milliseconds } from '../format.js';
import { html } from '../html.js';
import { useState } from '../vendor/preact-hooks.js';
import { Badge, Failure } from './marks.js';

/** @import { Health, Rates } from '../answers.ts' */

const CLASSES = ['lightweight', 'heavyweight', 'embedding'];
const COLUMNS = ['Class', 'Waiting', 'Running', 'Delayed', 'Dead', 'Longest wait', 'Per second', ''];

/** The queue of each class, and its pause. @param {{ health: Health, rates: Rates | null }} props */
export function Queues({ health, rates }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {string} name @param {string} action */
  const post = (name, action) => () => {
    setError(null);
    call(`/api/v1/queues/${name}/${action}`, { method: 'POST' }).catch(setError);
  };
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Queues"><table id="queues">
      <thead><tr>${COLUMNS.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
      <tbody>
        ${CLASSES.map((name) => {
          const {
            waiting = null,
            active = null,
            delayed = null,
            dead = null,
            paused,
          } = health.queues[name] ?? {};
          const rate = rates?.classes.find((one) => one.name === name);
          const action = paused ? 'resume' : 'pause';
          return html`<tr key=${name} data-class=${name}>
            <th scope="row">${name} ${paused && html`<${Badge} status="paused" />`}</th>
            ${[waiting, active, delayed, dead].map((value) => html`<td>${count(value)}</td>`)}
            <td>${milliseconds(health.oldest_wait_ms[name])}</td>
            <td>${rates ? decimal((rate?.requests ?? 0) / rates.seconds) : '–'}</td>
            <td class="does"><button type="button" class="plain" aria-label=${`${action} ${name}`} onClick=${post(name, action)}>${action}</button></td>
          </tr>`;
        })}
      </tbody>
    </table></div>
    <${Failure} error=${error} />
  `;
}
