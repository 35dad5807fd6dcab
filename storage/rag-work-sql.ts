/** How long a content is its worker's without a heartbeat. */
const LEASE = `interval '20 s'`;

const KEYS = `json_to_recordset($1::json) AS held (document_id text, generation bigint, epoch integer)`;

const HOLDS = `
  made.document_id = held.document_id AND made.generation = held.generation AND made.epoch = held.epoch
  AND made.state = 'in_progress'`;

const KEY = 'made.document_id, made.generation, made.epoch';

// By the index that is for this alone (migration 015). Small ones that nothing is known against go together. What was claimed and did not come on, goes alone: it may be what
// ended its process.
export const CLAIM = `
  WITH line AS (
    SELECT document_id, generation, line_at, body IS NOT NULL AND attempt = 0 AND chunk_count < 64 AS is_small
    FROM citadel.generation WHERE state || '' = 'in_progress' AND due_at <= now()
    ORDER BY line_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ), placed AS (
    SELECT *, row_number() OVER (ORDER BY line_at, document_id) AS place FROM line
  ), picked AS (
    SELECT * FROM placed
    WHERE place = 1 OR place < coalesce((SELECT min(place) FROM placed WHERE NOT is_small), $2 + 1)
  )
  UPDATE citadel.generation AS made
  SET worker = $1, epoch = made.epoch + 1, attempt = made.attempt + 1, due_at = now() + ${LEASE}
  FROM picked JOIN citadel.generation AS own USING (document_id, generation)
  JOIN citadel.index_version AS version ON version.id = own.version_id
  WHERE made.document_id = picked.document_id AND made.generation = picked.generation
  RETURNING ${KEY}, made.attempt, made.collection_id, made.version_id, version.state = 'active' AS is_active,
    version.embedding_model, version.dimensions, version.chunk_tokens,
    version.chunk_overlap, made.stage, made.blob_sha256, made.body IS NOT NULL AS has_body, made.file_name, made.title,
    made.media_type, made.owner, made.weight, made.pages_done, made.chunk_count, made.page_chunks`;

export const HEARTBEAT = `
  UPDATE citadel.generation AS made SET due_at = now() + ${LEASE} FROM ${KEYS} WHERE ${HOLDS} RETURNING ${KEY}`;

export const RELEASE = `
  UPDATE citadel.generation AS made
  SET due_at = now() + $3::double precision * interval '1 ms', waiting_on = $2, error = $5, worker = NULL,
    attempt = CASE WHEN $4 THEN made.attempt ELSE 0 END
  FROM ${KEYS} WHERE ${HOLDS} RETURNING ${KEY}`;

export const LAPSE_ALL = `
  UPDATE citadel.generation SET due_at = now()
  WHERE state || '' = 'in_progress' AND worker IS NOT NULL AND due_at > now()`;

export const BODIES = `
  SELECT ${KEY}, encode(made.body, 'base64') AS body
  FROM citadel.generation AS made JOIN ${KEYS} ON ${HOLDS} WHERE made.body IS NOT NULL`;

export const OCCURRENCES = `
  SELECT text_hash, count(*) AS count FROM citadel.chunk WHERE document_id = $1 AND generation = $2 GROUP BY text_hash`;

export const CHAR_END = `
  SELECT char_end FROM citadel.chunk WHERE document_id = $1 AND generation = $2 AND ordinal = $3`;

export const WRITE_CHUNKS = `
  WITH cut AS (
    SELECT * FROM json_to_recordset($1::json) AS cut (
      document_id text, generation bigint, epoch integer, stage text, pages_done integer, pages_total integer,
      found_title text, page_chunks integer, chunks integer
    )
  ), held AS (
    UPDATE citadel.generation AS made SET
      stage = cut.stage, pages_done = cut.pages_done, pages_total = coalesce(cut.pages_total, made.pages_total),
      found_title = coalesce(cut.found_title, made.found_title), page_chunks = cut.page_chunks,
      chunk_count = made.chunk_count + cut.chunks, attempt = 1, waiting_on = NULL, error = NULL, due_at = now() + ${LEASE}
    FROM cut
    WHERE made.document_id = cut.document_id AND made.generation = cut.generation AND made.epoch = cut.epoch
      AND made.state = 'in_progress'
    RETURNING ${KEY}
  ), written AS (
    INSERT INTO citadel.chunk (
      document_id, generation, ordinal, version_id, point_id, text_hash, text, heading_path, page, char_start, char_end,
      tokens, state
    )
    SELECT document_id, generation, ordinal, version_id, point_id, text_hash, text, heading_path, page, char_start,
      char_end, tokens, 'pending'
    FROM json_to_recordset($2::json) AS new (
      document_id text, generation bigint, version_id text, ordinal integer, point_id uuid, text_hash text, text text,
      heading_path text[], page integer, char_start integer, char_end integer, tokens integer
    ) JOIN held USING (document_id, generation)
  )
  SELECT * FROM held`;

export const CHUNKS_IN = `
  SELECT chunk.document_id, chunk.generation, chunk.ordinal, chunk.point_id, chunk.text_hash, chunk.text,
    chunk.heading_path
  FROM citadel.chunk JOIN ${KEYS} USING (document_id, generation)
  WHERE chunk.state = $2
  ORDER BY chunk.document_id, chunk.ordinal LIMIT $3`;

export const MOVE_CHUNKS = `
  WITH kept AS (
    UPDATE citadel.generation AS made SET attempt = 1, waiting_on = NULL, error = NULL, due_at = now() + ${LEASE}
    FROM ${KEYS} WHERE ${HOLDS} RETURNING ${KEY}
  ), moved AS (
    UPDATE citadel.chunk SET state = $3
    FROM json_to_recordset($2::json) AS done (document_id text, generation bigint, ordinal integer)
    JOIN kept USING (document_id, generation)
    WHERE chunk.document_id = done.document_id AND chunk.generation = done.generation AND chunk.ordinal = done.ordinal
  )
  SELECT * FROM kept`;

export const MOVE_ON = `
  UPDATE citadel.generation AS made SET stage = $2, attempt = 1, waiting_on = NULL, error = NULL, due_at = now() + ${LEASE}
  FROM ${KEYS} WHERE ${HOLDS} RETURNING ${KEY}`;

export const SET_DIMENSIONS = `
  UPDATE citadel.index_version SET dimensions = coalesce(dimensions, $2) WHERE id = $1 RETURNING dimensions`;

// Mostly there is nothing on the list; what comes onto it later, has no chunk then.
export const CLAIMED_POINTS = `
  SELECT EXISTS (SELECT FROM citadel.point_outbox WHERE version_id = $1) AS listed,
    EXISTS (
      SELECT FROM citadel.point_outbox
      WHERE version_id = $1 AND point_id = ANY($2::uuid[]) AND claimed_until > now()
    ) AS busy`;

export const KEEP_POINTS = `
  DELETE FROM citadel.point_outbox WHERE version_id = $1 AND point_id = ANY($2::uuid[])`;
