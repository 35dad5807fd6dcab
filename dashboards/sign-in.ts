import { type RequestHandler, Router } from 'express';
import { z } from 'zod';
import type { Authenticator } from '../access/authenticator.ts';
import type { Session, Sessions } from '../access/sessions.ts';
import { jsonBody } from '../api/middleware/json-body.ts';
import { sendJson } from '../api/replies/json-reply.ts';
import { AppError } from '../core/errors.ts';
import { parseJsonObject } from '../core/json-depth.ts';
import { parseRequest } from '../core/parse-request.ts';
import { readSessionCookie, setSessionCookie } from './session-cookie.ts';

interface SignInDeps {
  authenticator: Authenticator;
  sessions: Sessions;
}

const SignIn = z.strictObject({ key: z.string().min(1).max(2_048) });
const BODY_BYTES_MAX = 10_000;

/** `/session`: GET says who is signed in, POST {key} signs in, DELETE signs out. */
export function createSignIn(deps: SignInDeps): Router {
  const router = Router();
  router.get('/', showSession(deps));
  router.post('/', ...jsonBody(BODY_BYTES_MAX), signIn(deps));
  router.delete('/', signOut);
  return router;
}

function showSession({ authenticator, sessions }: SignInDeps): RequestHandler {
  return (req, res) => {
    if (!authenticator.required) {
      sendJson(res, 200, JSON.stringify({ signed_in: true, key_name: null, expires_at: null }));
      return;
    }
    const token = readSessionCookie(req);
    sendJson(res, 200, JSON.stringify(toView(token === undefined ? null : sessions.open(token))));
  };
}

function signIn({ sessions }: SignInDeps): RequestHandler {
  return (req, res) => {
    const { key } = parseRequest(SignIn, parseJsonObject(req.body, { depthMax: 4 }));
    const issued = sessions.issue(key);
    if (!issued)
      throw new AppError('invalid_api_key', 'This is no key with the role admin.', { param: 'key' });
    setSessionCookie(req, res, issued.token);
    sendJson(res, 200, JSON.stringify(toView(issued.session)));
  };
}

const signOut: RequestHandler = (req, res) => {
  setSessionCookie(req, res, null);
  sendJson(res, 200, JSON.stringify(toView(null)));
};

function toView(session: Session | null) {
  return {
    signed_in: session !== null,
    key_name: session?.principal.keyName ?? null,
    expires_at: session ? new Date(session.expiresAtMs).toISOString() : null,
  };
}
