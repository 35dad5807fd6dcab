import { own, signedOut } from './api.js';
import { startFeed, stopFeed } from './feed.js';
import { html } from './html.js';
import { Shell } from './parts/shell.js';
import { render } from './vendor/preact.js';
import { useEffect, useState } from './vendor/preact-hooks.js';
import { SignIn } from './views/sign-in.js';

/** @import { Session } from './answers.ts' */

const NOBODY = { signed_in: false, key_name: null };

/** The page: a form until somebody has signed in, then the views. */
function Page() {
  const [session, setSession] = useState(/** @type {Session | null} */ (null));

  useEffect(() => {
    const look = () => own('/session').then(setSession, () => setTimeout(look, 2_000));
    const leave = () => setSession(NOBODY);
    look();
    signedOut.addEventListener('signed-out', leave);
    return () => signedOut.removeEventListener('signed-out', leave);
  }, []);
  const isSignedIn = session?.signed_in === true;
  useEffect(() => {
    if (!isSignedIn) return;
    startFeed();
    return stopFeed;
  }, [isSignedIn]);

  if (session === null) return html`<p class="notice" role="status">Connecting to Citadel …</p>`;
  if (!isSignedIn) return html`<${SignIn} onSignedIn=${setSession} />`;
  return html`<${Shell} keyName=${session.key_name} onSignOut=${() => setSession(NOBODY)} />`;
}

const place = document.getElementById('app');
if (place) {
  place.textContent = '';
  render(html`<${Page} />`, place);
}
