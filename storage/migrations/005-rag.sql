-- Collections of documents that can be searched. What these rows say is what is visible: the vector store is an index of
-- them that can be built anew. JSON is kept as text, as with runs; metadata a second time as jsonb, for filters alone.

CREATE TABLE citadel.collection (
  id              text PRIMARY KEY,
  name            text NOT NULL UNIQUE,
  -- The API key's name; '' where there are no keys.
  owner           text NOT NULL,
  shared          boolean NOT NULL DEFAULT false,
  embedding_model text,
  chunk_tokens    integer NOT NULL,
  chunk_overlap   integer NOT NULL,
  -- Of the two lists that a search fuses, as JSON.
  weights         text NOT NULL,
  metadata        text NOT NULL,
  active_version  text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);

-- An index: the same documents under one embedding model and one way to cut them.
CREATE TABLE citadel.index_version (
  id              text PRIMARY KEY,
  collection_id   text NOT NULL,
  embedding_model text,
  -- Known with the first vector.
  dimensions      integer,
  chunk_tokens    integer NOT NULL,
  chunk_overlap   integer NOT NULL,
  state           text NOT NULL CHECK (state IN ('building', 'active', 'retired')),
  created_at      timestamptz NOT NULL DEFAULT now(),
  retired_at      timestamptz
);

CREATE INDEX index_version_collection ON citadel.index_version (collection_id);

CREATE TABLE citadel.document (
  id                text PRIMARY KEY,
  collection_id     text NOT NULL,
  external_id       text NOT NULL,
  title             text,
  source            text,
  media_type        text,
  metadata          text NOT NULL,
  metadata_json     jsonb NOT NULL,
  -- Null until one is published.
  active_generation bigint,
  -- The newest there is, published or not.
  last_generation   bigint NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  UNIQUE (collection_id, external_id)
);

CREATE INDEX document_metadata ON citadel.document USING gin (metadata_json jsonb_path_ops);

-- One content of a document in one index, on its way to be published or there.
CREATE TABLE citadel.generation (
  document_id   text NOT NULL,
  generation    bigint NOT NULL,
  collection_id text NOT NULL,
  version_id    text NOT NULL,
  -- Whose content it has: its own, or that of the one it makes again for another index. The later content wins.
  content       bigint NOT NULL,
  blob_sha256   text NOT NULL,
  -- The bytes themselves where they are few; null: in the blob store.
  body          bytea,
  -- Of all that its chunks follow from beside the bytes, and of what the document is to say of itself.
  pipeline_hash text NOT NULL,
  file_name     text,
  title         text,
  source        text,
  media_type    text,
  metadata      text NOT NULL,
  -- For what its texts cost.
  owner         text NOT NULL,
  weight        double precision NOT NULL,
  -- `ready`: indexed, in an index that is not the active one. `failed`: of those for another index only; else it is deleted.
  state         text NOT NULL CHECK (state IN ('in_progress', 'ready', 'published', 'failed')),
  stage         text NOT NULL CHECK (stage IN ('parse', 'chunk', 'embed', 'index', 'publish')),
  reason_code   text,
  error         text,
  waiting_on    text,
  -- As its parser found it.
  found_title   text,
  pages_done    integer NOT NULL DEFAULT 0,
  pages_total   integer,
  -- Made so far.
  chunk_count   integer NOT NULL DEFAULT 0,
  -- Those of the pages that are done: of the next one, some may be there as well.
  page_chunks   integer NOT NULL DEFAULT 0,
  -- Claims since it last came on.
  attempt       integer NOT NULL DEFAULT 0,
  -- The fence: a write counts only for the claim that is the newest.
  epoch         integer NOT NULL DEFAULT 0,
  worker        text,
  -- Nobody may claim it before: the end of its lease, or of a wait.
  due_at        timestamptz NOT NULL,
  -- Its place in the line.
  line_at       timestamptz NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (document_id, generation)
) WITH (fillfactor = 80);

CREATE INDEX generation_line ON citadel.generation (line_at) WHERE state = 'in_progress';
CREATE INDEX generation_version ON citadel.generation (version_id, document_id);
CREATE INDEX generation_blob ON citadel.generation (blob_sha256);
CREATE INDEX generation_collection ON citadel.generation (collection_id);

CREATE TABLE citadel.chunk (
  document_id  text NOT NULL,
  generation   bigint NOT NULL,
  ordinal      integer NOT NULL,
  version_id   text NOT NULL,
  point_id     uuid NOT NULL,
  -- Of what is embedded of it.
  text_hash    text NOT NULL,
  -- With U+FFFD for NUL: Postgres keeps none.
  text         text NOT NULL,
  heading_path text[] NOT NULL,
  page         integer,
  char_start   integer NOT NULL,
  char_end     integer NOT NULL,
  tokens       integer NOT NULL,
  state        text NOT NULL CHECK (state IN ('pending', 'embedded', 'indexed')),
  error        text,
  PRIMARY KEY (document_id, generation, ordinal)
) WITH (fillfactor = 90);

CREATE INDEX chunk_point ON citadel.chunk (version_id, point_id);

-- Vectors that were paid for.
CREATE TABLE citadel.embed_cache (
  model      text NOT NULL,
  text_hash  text NOT NULL,
  dimensions integer NOT NULL,
  -- float32, little-endian.
  vector     bytea NOT NULL,
  used_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (model, text_hash)
);

CREATE INDEX embed_cache_used_at ON citadel.embed_cache (used_at);

CREATE TABLE citadel.ingest_job (
  id            text PRIMARY KEY,
  collection_id text NOT NULL,
  owner         text NOT NULL,
  -- The key's share against others', for what its documents cost.
  weight        double precision NOT NULL,
  webhook       text,
  -- Of the newest end of an item, or of the job's own.
  last_seq      bigint NOT NULL DEFAULT 0,
  created_at    timestamptz NOT NULL DEFAULT now(),
  ended_at      timestamptz
);

CREATE INDEX ingest_job_collection ON citadel.ingest_job (collection_id);
CREATE INDEX ingest_job_ended_at ON citadel.ingest_job (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE citadel.ingest_item (
  job_id      text NOT NULL,
  ordinal     integer NOT NULL,
  document_id text NOT NULL,
  external_id text NOT NULL,
  -- Null where it needed none.
  generation  bigint,
  status      text NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed', 'cancelled', 'unchanged')),
  reason_code text,
  error       text,
  -- Where it ended.
  stage       text,
  chunk_count integer,
  -- Its number among the job's events, once it has ended.
  seq         bigint,
  ended_at    timestamptz,
  PRIMARY KEY (job_id, ordinal)
);

CREATE INDEX ingest_item_generation ON citadel.ingest_item (document_id, generation) WHERE generation IS NOT NULL;
CREATE INDEX ingest_item_open ON citadel.ingest_item (job_id) WHERE status = 'in_progress';

-- Points that no chunk needs any more, as far as was known when they were written down: the sweep looks again.
CREATE TABLE citadel.point_outbox (
  version_id    text NOT NULL,
  point_id      uuid NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  -- Until then a sweep is at it, and nobody writes the point.
  claimed_until timestamptz,
  PRIMARY KEY (version_id, point_id)
);

-- Whole indexes to drop.
CREATE TABLE citadel.index_outbox (
  version_id text PRIMARY KEY,
  dimensions integer,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Blobs that no generation needs any more, as far as was known.
CREATE TABLE citadel.blob_outbox (
  sha256     text PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);
