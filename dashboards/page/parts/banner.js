import { useOverview } from '../feed.js';
import { html } from '../html.js';

const STORES = {
  queue: 'The queue’s store is out of reach: new requests are refused until it is back.',
  database: 'The database is out of reach: accepted work waits, and lists cannot be read.',
};

/** What is wrong as a whole; nothing while all is well. It goes by itself. */
export function Banner() {
  const { isConnected, health } = useOverview();
  const problems = isConnected ? storeProblems(health?.stores) : ['No connection to Citadel. Trying again …'];
  return html`<div role="alert" class="banners">
    ${problems.map((text) => html`<p class="banner" key=${text}>${text}</p>`)}
  </div>`;
}

/** @param {Record<string, { kind: string, status: string }> | undefined} stores */
function storeProblems(stores) {
  return Object.entries(stores ?? {})
    .filter(([, { status }]) => status === 'down')
    .map(([name, { kind }]) => `${STORES[/** @type {keyof typeof STORES} */ (name)] ?? name} (${kind})`);
}
