import type { RequestHandler } from 'express';
import { AppError } from '../../core/errors.ts';
import { newCollectionId } from '../../core/ids.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import type { Json } from '../../core/json-value.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { CollectionChange, NewCollectionRequest } from '../../core/schemas/rag.ts';
import type { ChunkSettings } from '../../rag/chunk.ts';
import type { Collection, CollectionStore } from '../../rag/collection.ts';
import type { IndexBuilds } from '../../rag/index-builds.ts';
import { requireCollection } from '../../rag/require-collection.ts';
import type { VectorStore } from '../../rag/vector-store.ts';
import type { ModelAliases } from '../../servers/model-aliases.ts';
import type { Registry } from '../../servers/registry.ts';
import { requireModel } from '../../servers/require-model.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { requireOwnCollection } from '../rag-access.ts';
import { ragCallerOf } from '../rag-caller.ts';
import { type CollectionFacts, toCollectionView } from '../rag-view.ts';
import { sendJson } from '../replies/json-reply.ts';

export interface CollectionRouteDeps {
  collections: CollectionStore;
  vectors: Pick<VectorStore, 'hasVectors'>;
  registry: Registry;
  aliases: ModelAliases;
  /** Brings on what is to be built; never throws. */
  kickBuilds(): void;
  builds: Pick<IndexBuilds, 'switchWithoutFailed'>;
  jsonDepthMax: number;
}

const TOKENS = 400;
const OVERLAP = 60;
const OVERLAP_SHARE = 0.15;
const EQUAL_WEIGHTS = { lexical: 1, dense: 1 } as const;

/** POST /api/v1/rag/collections */
export function createCollection(deps: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const wanted = parseRequest(
      NewCollectionRequest,
      parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }),
    );
    requireEmbedder(deps, wanted.embedding_model ?? null);
    const collection = await deps.collections.insert({
      id: newCollectionId(),
      name: wanted.name,
      owner: ragCallerOf(res).keyName ?? '',
      isShared: wanted.shared ?? false,
      embeddingModel: wanted.embedding_model ?? null,
      chunk: toSettings(wanted.chunk ?? {}),
      weights: wanted.weights ?? EQUAL_WEIGHTS,
      metadata: (wanted.metadata ?? {}) as Json,
    });
    const view = toCollectionView({ collection, counts: { documents: 0, chunks: 0 }, building: null });
    res.setHeader('location', `/api/v1/rag/collections/${encodeURIComponent(collection.name)}`);
    sendJson(res, 201, JSON.stringify(view));
  };
}

/** GET /api/v1/rag/collections: the caller's, and what others share. */
export function listCollections({ collections }: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const { keyName, seesAll } = ragCallerOf(res);
    const found = await collections.list({ limit, after, owner: seesAll ? undefined : (keyName ?? '') });
    const facts = await Promise.all(found.slice(0, limit).map((one) => factsOf(collections, one)));
    const page = toListPage(facts.map(toCollectionView), limit);
    sendJson(res, 200, JSON.stringify({ ...page, has_more: found.length > limit }));
  };
}

/** GET /api/v1/rag/collections/{name} */
export function getCollection({ collections }: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const collection = await requireCollection(collections, String(req.params.name), ragCallerOf(res));
    sendJson(res, 200, JSON.stringify(toCollectionView(await factsOf(collections, collection))));
  };
}

/** PATCH /api/v1/rag/collections/{name}: another model or chunking is built beside, and then switched to. */
export function changeCollection(deps: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const { collections } = deps;
    const collection = await requireOwnCollection(collections, String(req.params.name), res);
    const wanted = parseRequest(CollectionChange, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const metadata = wanted.metadata as Json | undefined;
    const embeddingModel =
      wanted.embedding_model === undefined ? collection.embeddingModel : wanted.embedding_model;
    if (embeddingModel !== collection.embeddingModel) requireEmbedder(deps, embeddingModel);
    await collections.change(collection.id, {
      ...(wanted.weights === undefined ? {} : { weights: wanted.weights }),
      ...(wanted.shared === undefined ? {} : { isShared: wanted.shared }),
      ...(metadata === undefined ? {} : { metadata }),
    });
    if (wanted.embedding_model !== undefined || wanted.chunk) {
      const chunk = wanted.chunk
        ? toSettings({ tokens: collection.chunk.tokens, ...wanted.chunk })
        : collection.chunk;
      await collections.build(collection.id, { embeddingModel, chunk });
      deps.kickBuilds();
    }
    await sendNow(collections, collection, res);
  };
}

/** POST /api/v1/rag/collections/{name}/rollback: back to the index before, with the documents as they are now. */
export function rollBackCollection({ collections, kickBuilds }: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const collection = await requireOwnCollection(collections, String(req.params.name), res);
    if (!(await collections.rollback(collection.id))) {
      throw new AppError('conflict', `The collection \`${collection.name}\` has no index before this one.`);
    }
    kickBuilds();
    await sendNow(collections, collection, res);
  };
}

/** POST /api/v1/rag/collections/{name}/switch: to the index that is built, without the documents that it could not take in. */
export function switchCollection({ collections, builds }: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const collection = await requireOwnCollection(collections, String(req.params.name), res);
    const versions = await collections.versions(collection.id);
    const version = versions.find(({ state }) => state === 'building');
    if (!version) {
      throw new AppError('conflict', `No other index is being built for \`${collection.name}\`.`);
    }
    if (!(await builds.switchWithoutFailed(version))) {
      throw new AppError(
        'conflict',
        'The index that is being built has not tried all documents yet: see `reindex.documents`.',
      );
    }
    await sendNow(collections, collection, res);
  };
}

/** DELETE /api/v1/rag/collections/{name} */
export function removeCollection({ collections }: CollectionRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id, name } = await requireOwnCollection(collections, String(req.params.name), res);
    await collections.remove(id);
    sendJson(res, 200, JSON.stringify({ id, object: 'rag.collection', name, deleted: true }));
  };
}

async function sendNow(
  collections: CollectionStore,
  { id, name }: Collection,
  res: Parameters<RequestHandler>[1],
) {
  const now = await collections.byId(id);
  if (!now) throw new AppError('not_found', `There is no collection \`${name}\`.`);
  sendJson(res, 200, JSON.stringify(toCollectionView(await factsOf(collections, now))));
}

async function factsOf(collections: CollectionStore, collection: Collection): Promise<CollectionFacts> {
  const [counts, versions] = await Promise.all([
    collections.counts(collection.id),
    collections.versions(collection.id),
  ]);
  const version = versions.find(({ state }) => state === 'building');
  if (!version) return { collection, counts, building: null };
  return { collection, counts, building: { version, progress: await collections.progress(version) } };
}

function toSettings({
  tokens = TOKENS,
  overlap,
}: {
  tokens?: number | undefined;
  overlap?: number | undefined;
}): ChunkSettings {
  if (overlap !== undefined && overlap >= tokens) {
    throw new AppError('invalid_request', "'chunk.overlap' takes less than 'chunk.tokens'.", {
      param: 'chunk.overlap',
    });
  }
  return { tokens, overlap: overlap ?? Math.min(OVERLAP, Math.floor(tokens * OVERLAP_SHARE)) };
}

/** Throws AppError `invalid_request` where there can be no vectors, `model_not_found` for a model that no server has. */
function requireEmbedder({ vectors, registry, aliases }: CollectionRouteDeps, model: string | null): void {
  if (model === null) return;
  if (!vectors.hasVectors) {
    throw new AppError(
      'invalid_request',
      'This installation searches by words only: its Postgres has no pgvector. Leave embedding_model out.',
      { param: 'embedding_model' },
    );
  }
  // A server that is away, or was never asked, may have it: documents then wait for it.
  if (registry.servers().every(({ state }) => state === 'healthy')) {
    requireModel(registry, aliases, model, 'embedding_model');
  }
}
