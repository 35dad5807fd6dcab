import type { Request, RequestHandler, Response } from 'express';
import { issueKey } from '../../access/issue-key.ts';
import type { KeySettings, KeyStore } from '../../access/key-store.ts';
import { toKeyView } from '../../access/key-view.ts';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { ApiKeyPatch, NewApiKey } from '../../core/schemas/api-key.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface KeyRouteDeps {
  keyStore: KeyStore;
  /** Names of the configuration's keys, which no other key may have. */
  configuredKeyNames: readonly string[];
  jsonDepthMax: number;
  /** Has every process read the keys again, this one before it resolves. */
  announceKeys(): Promise<void>;
}

/** POST /api/v1/keys: the answer is the only one that shows the key. */
export function createKey(deps: KeyRouteDeps): RequestHandler {
  return async (req, res) => {
    const now = new Date();
    const wanted = parseRequest(NewApiKey, bodyOf(req, deps));
    requireLater(wanted.expires_at, now);
    if (deps.configuredKeyNames.includes(wanted.name)) {
      throw new AppError('conflict', 'A key of the configuration has this name.', { param: 'name' });
    }
    const { record, key } = await issueKey(deps.keyStore, wanted, now);
    await deps.announceKeys();
    send(res, 201, { ...toKeyView({ ...record, lastUsedAt: null }), key });
  };
}

/** GET /api/v1/keys: newest first, the revoked too. */
export function listKeys({ keyStore }: KeyRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const keys = await keyStore.list({ limit: limit + 1, after });
    send(res, 200, toListPage(keys.map(toKeyView), limit));
  };
}

/** GET /api/v1/keys/{id} */
export function getKey({ keyStore }: KeyRouteDeps): RequestHandler {
  return async (req, res) => {
    const key = await keyStore.get(idOf(req));
    if (!key) throw unknownKey();
    send(res, 200, toKeyView(key));
  };
}

/** PATCH /api/v1/keys/{id} */
export function changeKey(deps: KeyRouteDeps): RequestHandler {
  return async (req, res) => {
    const patch = parseRequest(ApiKeyPatch, bodyOf(req, deps));
    requireLater(patch.expires_at, new Date());
    const key = await deps.keyStore.change(idOf(req), toChanges(patch));
    if (!key) throw await whyUnchanged(deps.keyStore, idOf(req));
    await deps.announceKeys();
    send(res, 200, toKeyView(key));
  };
}

/** DELETE /api/v1/keys/{id}: revokes it. Its row stays, since the ledger names it. */
export function revokeKey(deps: KeyRouteDeps): RequestHandler {
  return async (req, res) => {
    const key = await deps.keyStore.revoke(idOf(req), new Date());
    if (!key) throw unknownKey();
    await deps.announceKeys();
    send(res, 200, { id: key.id, object: 'api_key', deleted: true });
  };
}

function bodyOf(req: Request, { jsonDepthMax }: KeyRouteDeps): unknown {
  return parseJsonObject(req.body, { depthMax: jsonDepthMax });
}

const idOf = (req: Request) => [req.params.id].flat().join('/');

function requireLater(time: string | null | undefined, now: Date): void {
  if (typeof time !== 'string' || new Date(time) > now) return;
  throw new AppError('invalid_request', "'expires_at' is in the past.", { param: 'expires_at' });
}

function toChanges(patch: ApiKeyPatch): Partial<KeySettings> {
  return {
    role: patch.role,
    weight: patch.weight,
    requestsPerMinute: patch.requests_per_minute,
    tokensPerMinute: patch.tokens_per_minute,
    maxConcurrency: patch.max_concurrency,
    models: patch.models,
    tokenBudget: patch.token_budget,
    expiresAt: typeof patch.expires_at === 'string' ? new Date(patch.expires_at) : patch.expires_at,
  };
}

async function whyUnchanged(store: KeyStore, id: string): Promise<AppError> {
  if ((await store.get(id)) === null) return unknownKey();
  return new AppError('conflict', 'This key is revoked: make a new one.');
}

const unknownKey = () => new AppError('not_found', 'There is no key of this id.');

function send(res: Response, status: number, body: object): void {
  res.setHeader('cache-control', 'no-store');
  sendJson(res, status, JSON.stringify(body));
}
