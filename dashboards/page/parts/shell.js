import { own } from '../api.js';
import { html } from '../html.js';
import { useEffect, useRef, useState } from '../vendor/preact-hooks.js';
import { Collection } from '../views/collection.js';
import { Documents } from '../views/documents.js';
import { Job } from '../views/job.js';
import { Jobs } from '../views/jobs.js';
import { Keys } from '../views/keys.js';
import { Overview } from '../views/overview.js';
import { Playground } from '../views/playground.js';
import { Run } from '../views/run.js';
import { Runs } from '../views/runs.js';
import { Banner } from './banner.js';

/** By the first part of the address after `#/`; the second one is an id. */
const VIEWS = {
  overview: { title: 'Overview', list: Overview, one: Overview },
  jobs: { title: 'Jobs', list: Jobs, one: Job },
  runs: { title: 'Runs', list: Runs, one: Run },
  documents: { title: 'Documents', list: Documents, one: Collection },
  playground: { title: 'Playground', list: Playground, one: Playground },
  keys: { title: 'Keys', list: Keys, one: Keys },
};

/**
 * Navigation, the state of things, and the view that the address names.
 * @param {{ keyName: string | null, onSignOut: () => void }} props
 */
export function Shell({ keyName, onSignOut }) {
  const { name, id } = useAddress();
  const { title, list, one } = VIEWS[name];
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · Citadel`;
    window.scrollTo(0, 0);
    // What had the focus has gone with the view before: the next Tab is to be in the new one. Who is there already, typing
    // perhaps, stays.
    const main = document.getElementById('main');
    if (!isFirst.current && !main?.contains(document.activeElement)) main?.focus();
    isFirst.current = false;
  }, [title, id]);

  const signOut = () => own('/session', { method: 'DELETE' }).then(onSignOut, onSignOut);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <a class="brand" href="#/overview"><img src="/dashboard/assets/icon.svg" alt="" />Citadel</a>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([key, view]) =>
            html`<a href=${`#/${key}`} aria-current=${key === name ? 'page' : null}>${view.title}</a>`,
        )}
        <a href="/dashboard/queues">Queues ↗</a>
      </nav>
      ${
        keyName !== null &&
        html`<span class="who">${keyName} <button type="button" class="plain" onClick=${signOut}>Sign out</button></span>`
      }
    </header>
    <${Banner} />
    <main id="main" tabindex="-1"><${id === null ? list : one} key=${`${name}/${id}`} id=${id} /></main>
  `;
}

/** The address keeps naming the view. @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function useAddress() {
  const [address, setAddress] = useState(readAddress);
  useEffect(() => {
    const read = () => setAddress(readAddress());
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  return address;
}

/** @returns {{ name: keyof typeof VIEWS, id: string | null }} */
function readAddress() {
  const [, name = '', id = ''] = location.hash.split('/');
  const isKnown = Object.hasOwn(VIEWS, name);
  return {
    name: /** @type {keyof typeof VIEWS} */ (isKnown ? name : 'overview'),
    id: id === '' ? null : decode(id),
  };
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
