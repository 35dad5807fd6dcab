// S1: who has read every row and every digest of ours still cannot make a session: what it seals is the key itself.
// S2: a session ends with its key. It is never looked up: any process that knows the key's digest opens it.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Authenticator, Principal } from './authenticator.ts';
import { digestOf } from './issue-key.ts';
import type { KeyRing } from './key-ring.ts';

/** An admin who has signed in with a key. */
export interface Session {
  key: string;
  principal: Principal & { keyName: string };
  expiresAtMs: number;
}

/** Sessions of the operator page: texts for a cookie, which hold the key sealed under a secret made of its digest. */
export interface Sessions {
  /** Null for a key that is not an admin's, or is none. */
  issue(key: string): { token: string; session: Session } | null;
  /** Null for what is forged, has expired, or whose key has ended. */
  open(token: string): Session | null;
}

interface SessionsOptions {
  /** The configuration's keys. */
  keys: readonly { name: string; key: string }[];
  ring: Pick<KeyRing, 'findName'>;
  authenticator: Authenticator;
  /** Unix ms. */
  now: () => number;
}

export const SESSION_MS = 12 * 3_600_000;

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'citadel operator page session';
/** A browser keeps no larger cookie. */
const TOKEN_CHARS_MAX = 3_800;

const Sealed = z.object({ key: z.string(), expiresAtMs: z.number() });

export function createSessions({ keys, ring, authenticator, now }: SessionsOptions): Sessions {
  const configured = new Map(keys.map(({ name, key }) => [name, digestOf(key)]));

  return {
    issue(key) {
      const session = sessionOf(key, now() + SESSION_MS);
      if (!session) return null;
      const { keyName } = session.principal;
      const sealed = seal(JSON.stringify({ key, expiresAtMs: session.expiresAtMs }), digestOf(key));
      const token = `${Buffer.from(keyName).toString('base64url')}.${sealed.toString('base64url')}`;
      return token.length > TOKEN_CHARS_MAX ? null : { token, session };
    },
    open(token) {
      if (token.length > TOKEN_CHARS_MAX) return null;
      const [name = '', sealed = ''] = token.split('.');
      const digest = digestNamed(Buffer.from(name, 'base64url').toString());
      const found = digest === null ? null : unseal(Buffer.from(sealed, 'base64url'), digest);
      return found && found.expiresAtMs > now() ? sessionOf(found.key, found.expiresAtMs) : null;
    },
  };

  function digestNamed(name: string): string | null {
    return configured.get(name) ?? ring.findName(name)?.digest ?? null;
  }

  function sessionOf(key: string, expiresAtMs: number): Session | null {
    const principal = authenticator.identify(key);
    if (principal?.role !== 'admin' || principal.keyName === null) return null;
    return { key, principal: { ...principal, keyName: principal.keyName }, expiresAtMs };
  }
}

function seal(text: string, digest: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, secretOf(digest), iv);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

/** Null when it was not sealed under this digest. */
function unseal(sealed: Buffer, digest: string): z.infer<typeof Sealed> | null {
  if (sealed.length <= IV_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(CIPHER, secretOf(digest), sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  try {
    const body = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
    return Sealed.parse(JSON.parse(Buffer.concat([body, decipher.final()]).toString('utf8')));
  } catch {
    return null;
  }
}

const secretOf = (digest: string) => Buffer.from(hkdfSync('sha256', digest, '', PURPOSE, 32));
