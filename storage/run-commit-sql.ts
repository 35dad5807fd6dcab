/** How long an attempt is its worker's without a heartbeat. */
export const LEASE_SECONDS = 15;

const RUN_COLUMNS = `
  id, kind, workflow, definition_hash, status, key_name, weight, priority, tags, metadata, input, output, error, tokens,
  revision, last_seq, parent_id, parent_key, parent_attempt, root_id, depth, forked_from, webhook, concurrency_key, concurrency_limit,
  started_at, ended_at, deadline_at`;

const NEW_RUN = `
  id text, kind text, workflow text, definition_hash text, key_name text, weight double precision, priority text,
  tags text[], metadata text, input text, parent_id text, parent_key text, parent_attempt integer, root_id text, depth integer,
  forked_from text, webhook text, concurrency_key text, concurrency_limit integer, deadline_ms double precision, is_claimed boolean`;

const HAS_ENDED = `change.status IN ('succeeded', 'failed', 'cancelled')`;
// A retry has as much time as the run had at first: its deadline began with its insert, or with the retry before.
const DEADLINE_ANEW = `now() + (run.deadline_at - coalesce((
        SELECT max(event.at) FROM citadel.run_event AS event WHERE event.run_id = run.id AND event.type = 'run.retried'
      ), run.created_at))`;
const DEADLINE = `now() + new.deadline_ms * interval '1 ms'`;

// Rows are found by subqueries for one row each, or by a list of ids, so that no plan goes through a whole table for them:
// plans are made once, when the tables are empty, and until Postgres has analysed them a scan seems as good as any.
// Everything of a run hangs on `passed`: on its row, which the statement has locked at the revision that the change
// was decided on. The other rows of a run are written by such statements only, except leases.
export const COMMIT = `
  WITH change AS (
    SELECT * FROM json_to_recordset($1::json) AS change (
      id text, revision bigint, status text, output text, error text, tokens bigint, events integer,
      is_begun boolean
    )
  ), lost AS MATERIALIZED (
    SELECT fence.run_id FROM json_to_recordset($2::json) AS fence (run_id text, key text, attempt integer)
    WHERE fence.attempt IS DISTINCT FROM (
      SELECT CASE step.status WHEN 'running' THEN step.attempt END FROM citadel.step
      WHERE step.run_id = fence.run_id AND step.key = fence.key
    )
  ), claimed AS (
    INSERT INTO citadel.idempotency_key AS known (owner, key, body_hash, run_id, created_at)
    SELECT DISTINCT ON (owner, key) owner, key, body_hash, run_id, now()
    FROM json_to_recordset($3::json) AS claim (owner text, key text, body_hash text, run_id text)
    ON CONFLICT (owner, key) DO UPDATE
      SET body_hash = EXCLUDED.body_hash, run_id = EXCLUDED.run_id, created_at = EXCLUDED.created_at
      WHERE known.created_at < now() - interval '24 hours'
    RETURNING run_id
  ), created AS (
    INSERT INTO citadel.run (${RUN_COLUMNS})
    SELECT new.id, new.kind, new.workflow, new.definition_hash, change.status, new.key_name, new.weight, new.priority,
      new.tags, new.metadata, new.input, change.output, change.error, change.tokens, 1, change.events, new.parent_id,
      new.parent_key, new.parent_attempt, new.root_id, new.depth, new.forked_from, new.webhook, new.concurrency_key,
      new.concurrency_limit,
      CASE WHEN change.is_begun THEN now() END, CASE WHEN ${HAS_ENDED} THEN now() END, ${DEADLINE}
    FROM json_to_recordset($4::json) AS new (${NEW_RUN}) JOIN change ON change.id = new.id
    WHERE NOT new.is_claimed OR new.id IN (SELECT run_id FROM claimed)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, revision, last_seq, 0::bigint AS seq_before
  ), updated AS (
    UPDATE citadel.run SET
      revision = run.revision + 1,
      last_seq = run.last_seq + change.events,
      status = change.status,
      output = change.output,
      error = change.error,
      tokens = change.tokens,
      started_at = CASE WHEN change.is_begun THEN coalesce(run.started_at, now()) ELSE run.started_at END,
      ended_at = CASE WHEN ${HAS_ENDED} THEN coalesce(run.ended_at, now()) END,
      deadline_at = CASE WHEN run.ended_at IS NOT NULL AND NOT ${HAS_ENDED} THEN ${DEADLINE_ANEW} ELSE run.deadline_at END,
      relay_until = NULL
    FROM change
    WHERE run.id = ANY (ARRAY(SELECT id FROM change))
      AND run.id = change.id AND run.revision = change.revision AND run.id NOT IN (SELECT run_id FROM lost)
    RETURNING run.id, run.revision, run.last_seq, run.last_seq - change.events AS seq_before
  ), passed AS (
    SELECT * FROM created UNION ALL SELECT * FROM updated
  ), written_steps AS (
    INSERT INTO citadel.step (
      run_id, key, path, position, status, attempt, failures, lapses, waits, end_order, output, error, revision, worker,
      lease_until, wake_at, child_run_id, changed_at, started_at, attempt_started_at, ended_at
    )
    SELECT new.run_id, new.key, new.path, new.position, new.status, new.attempt, new.failures, new.lapses, new.waits,
      new.end_order, new.output, new.error, passed.revision, new.worker,
      CASE WHEN new.worker IS NOT NULL THEN now() + interval '${LEASE_SECONDS} s' END,
      coalesce(now() + new.wake_after_ms * interval '1 ms', new.wake_at), new.child_run_id, now(),
      CASE WHEN new.status NOT IN ('pending', 'ready', 'skipped') THEN now() END,
      CASE WHEN new.status = 'running' THEN now() END,
      CASE WHEN new.status IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN now() END
    FROM json_to_recordset($5::json) AS new (
      run_id text, key text, path text, position integer, status text, attempt integer, failures integer,
      lapses integer, waits text, end_order integer, output text, error text, worker text,
      wake_after_ms double precision, wake_at timestamptz, child_run_id text
    ) JOIN passed ON passed.id = new.run_id
    ON CONFLICT (run_id, key) DO UPDATE SET
      status = EXCLUDED.status, attempt = EXCLUDED.attempt, failures = EXCLUDED.failures, lapses = EXCLUDED.lapses,
      waits = EXCLUDED.waits, end_order = EXCLUDED.end_order, output = EXCLUDED.output, error = EXCLUDED.error,
      revision = EXCLUDED.revision, worker = EXCLUDED.worker, lease_until = EXCLUDED.lease_until,
      wake_at = EXCLUDED.wake_at, child_run_id = EXCLUDED.child_run_id, changed_at = EXCLUDED.changed_at,
      started_at = coalesce(step.started_at, EXCLUDED.started_at),
      attempt_started_at = coalesce(EXCLUDED.attempt_started_at, step.attempt_started_at),
      ended_at = EXCLUDED.ended_at
  ), written_attempts AS (
    INSERT INTO citadel.step_attempt AS known (
      run_id, key, attempt, worker, outcome, error, tokens, facts, started_at, ended_at
    )
    SELECT new.run_id, new.key, new.attempt, new.worker, new.outcome, new.error, new.tokens, new.facts,
      coalesce((
        SELECT step.attempt_started_at FROM citadel.step
        WHERE step.run_id = new.run_id AND step.key = new.key AND step.attempt = new.attempt
      ), now()), now()
    FROM json_to_recordset($6::json) AS new (
      run_id text, key text, attempt integer, worker text, outcome text, error text, tokens bigint, facts text
    ) JOIN passed ON passed.id = new.run_id
    ON CONFLICT (run_id, key, attempt) DO UPDATE
      SET outcome = EXCLUDED.outcome, worker = EXCLUDED.worker, error = EXCLUDED.error, tokens = EXCLUDED.tokens,
        facts = EXCLUDED.facts, ended_at = EXCLUDED.ended_at
      WHERE EXCLUDED.outcome = 'fenced' AND known.outcome IN ('lapsed', 'cancelled', 'handed_back')
  ), written_events AS (
    INSERT INTO citadel.run_event (run_id, seq, type, key, data, at)
    SELECT new.run_id, passed.seq_before + new.number, new.type, new.key, new.data, now()
    FROM json_to_recordset($7::json) AS new (run_id text, number integer, type text, key text, data text)
    JOIN passed ON passed.id = new.run_id
  ), kept_signals AS (
    INSERT INTO citadel.run_signal (id, run_id, name, payload, revision, created_at)
    SELECT new.id, new.run_id, new.name, new.payload, passed.revision, now()
    FROM json_to_recordset($8::json) AS new (id text, run_id text, name text, payload text)
    JOIN passed ON passed.id = new.run_id
    ON CONFLICT (id) DO NOTHING
  ), consumed_signals AS (
    UPDATE citadel.run_signal SET consumed_at = now()
    WHERE id = ANY (ARRAY(
      SELECT taken.id
      FROM json_to_recordset($9::json) AS taken (id text, run_id text) JOIN passed ON passed.id = taken.run_id
    ))
  ), heeded AS (
    DELETE FROM citadel.run_inbox
    WHERE id = ANY (ARRAY(
      SELECT old.id
      FROM json_to_recordset($10::json) AS old (id text, run_id text) JOIN passed ON passed.id = old.run_id
    ))
  ), told AS (
    INSERT INTO citadel.run_inbox (id, run_id, event, created_at)
    SELECT new.id, new.run_id, new.event, now()
    FROM json_to_recordset($11::json) AS new (id text, run_id text, event text, from_id text)
    JOIN passed ON passed.id = new.from_id
    ON CONFLICT (id) DO NOTHING
  ), children AS (
    INSERT INTO citadel.run (${RUN_COLUMNS})
    SELECT new.id, new.kind, new.workflow, new.definition_hash, 'queued', new.key_name, new.weight, new.priority,
      new.tags, new.metadata, new.input, NULL, NULL, 0, 0, 0, new.parent_id, new.parent_key, new.parent_attempt, new.root_id,
      new.depth, new.forked_from, new.webhook, new.concurrency_key, new.concurrency_limit, NULL, NULL, ${DEADLINE}
    FROM json_to_recordset($12::json) AS new (${NEW_RUN}) JOIN passed ON passed.id = new.parent_id
    ON CONFLICT (id) DO NOTHING
  ), announced AS (
    INSERT INTO citadel.webhook_outbox (id, run_id, event, created_at, next_at)
    SELECT new.id, new.run_id, new.event, now(), now()
    FROM json_to_recordset($13::json) AS new (id text, run_id text, event text)
    JOIN passed ON passed.id = new.run_id
    ON CONFLICT (id) DO NOTHING
  )
  SELECT id, revision, last_seq, now() AS at FROM passed`;
