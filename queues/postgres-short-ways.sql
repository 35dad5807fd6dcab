-- Short ways through BullMQ's functions for the jobs that Citadel makes: without parents, deduplication, limits and
-- repetition. Anything else goes the whole way, through BullMQ's own function, which stands beside as `whole_…`.
-- Runs at each start, since a newer BullMQ writes its functions anew.
SELECT pg_advisory_xact_lock(hashtext('citadel:short-ways'));

DO $do$
DECLARE
  v_signature text;
  v_name      text;
BEGIN
  FOREACH v_signature IN ARRAY ARRAY[
    'add_job(text,text,text,jsonb,jsonb,integer,bigint,bigint,integer,text,text,text,text,text,boolean)',
    'move_to_active(text,text,bigint,bigint,text,integer,bigint)',
    'move_to_completed(text,text,text,jsonb,bigint,boolean,bigint,integer)'
  ] LOOP
    v_name := split_part(v_signature, '(', 1);
    IF NOT EXISTS (
      SELECT FROM pg_proc WHERE oid = to_regprocedure('bullmq.' || v_signature) AND prosrc LIKE '%bullmq.whole\_%'
    ) THEN
      EXECUTE format('DROP FUNCTION IF EXISTS bullmq.whole_%s', v_signature);
      EXECUTE format('ALTER FUNCTION bullmq.%s RENAME TO whole_%s', v_signature, v_name);
    END IF;
  END LOOP;
END
$do$;

CREATE OR REPLACE FUNCTION bullmq.add_job(
  p_queue text, p_id text, p_name text, p_data jsonb, p_opts jsonb, p_priority integer, p_delay bigint,
  p_timestamp bigint, p_max_attempts integer, p_parent_queue text, p_parent_id text, p_parent_key text,
  p_dedup_id text, p_scheduler_id text, p_lifo boolean
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF p_id <> '' AND p_delay = 0 AND NOT p_lifo
    AND COALESCE(p_parent_queue, p_parent_id, p_dedup_id, p_scheduler_id) IS NULL
  THEN
    INSERT INTO bullmq.job (
      queue, id, seq, name, state, data, opts, priority, delay_ms, max_attempts, added_at_ms
    ) VALUES (
      p_queue, p_id, nextval('bullmq.job_seq'), p_name, 'waiting', COALESCE(p_data, '{}'), COALESCE(p_opts, '{}'),
      COALESCE(p_priority, 0), 0, COALESCE(p_max_attempts, 1), p_timestamp
    )
    ON CONFLICT (queue, id) DO NOTHING;
    -- Its announcement is left out, too: the process that adds a job claims it, or another at its next look.
    IF FOUND THEN RETURN p_id; END IF;
  END IF;
  RETURN bullmq.whole_add_job(
    p_queue, p_id, p_name, p_data, p_opts, p_priority, p_delay, p_timestamp, p_max_attempts, p_parent_queue,
    p_parent_id, p_parent_key, p_dedup_id, p_scheduler_id, p_lifo
  );
END
$$;

CREATE OR REPLACE FUNCTION bullmq.move_to_active(
  p_queue text, p_token text, p_lock_ms bigint, p_now bigint, p_name text, p_limiter_max integer,
  p_limiter_duration bigint
) RETURNS SETOF bullmq.job LANGUAGE plpgsql AS $$
BEGIN
  IF p_limiter_max IS NOT NULL
    OR EXISTS (SELECT FROM bullmq.meta WHERE queue = p_queue AND field IN ('paused', 'concurrency', 'max'))
    OR EXISTS (SELECT FROM bullmq.job WHERE queue = p_queue AND state = 'delayed' AND process_at_ms <= p_now)
  THEN
    RETURN QUERY SELECT * FROM bullmq.whole_move_to_active(
      p_queue, p_token, p_lock_ms, p_now, p_name, p_limiter_max, p_limiter_duration
    );
    RETURN;
  END IF;
  RETURN QUERY
    UPDATE bullmq.job
    SET state = 'active', lock_token = p_token, locked_until_ms = p_now + p_lock_ms, processed_at_ms = p_now,
      processed_by = p_name, attempts_started = attempts_started + 1
    WHERE queue = p_queue AND id = (
      SELECT id FROM bullmq.job WHERE queue = p_queue AND state = 'waiting'
      ORDER BY priority, seq FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING *;
END
$$;

CREATE OR REPLACE FUNCTION bullmq.move_to_completed(
  p_queue text, p_id text, p_token text, p_return_value jsonb, p_finished_on bigint, p_remove_all boolean,
  p_keep_age bigint, p_keep_count integer
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF p_remove_all THEN
    DELETE FROM bullmq.job
    WHERE queue = p_queue AND id = p_id AND state = 'active' AND lock_token = p_token AND pending_deps = 0
      AND parent_id IS NULL AND dedup_id IS NULL;
    IF FOUND THEN RETURN p_finished_on; END IF;
  END IF;
  RETURN bullmq.whole_move_to_completed(
    p_queue, p_id, p_token, p_return_value, p_finished_on, p_remove_all, p_keep_age, p_keep_count
  );
END
$$;

-- Adds a job as one that is taken. False, and nothing has happened, where others wait, the queue is paused or limited, or
-- the id is there.
CREATE OR REPLACE FUNCTION bullmq.take_job(
  p_queue text, p_id text, p_name text, p_data jsonb, p_opts jsonb, p_priority integer, p_now bigint, p_token text,
  p_lock_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM bullmq.meta WHERE queue = p_queue AND field IN ('paused', 'concurrency', 'max'))
    OR EXISTS (SELECT FROM bullmq.job WHERE queue = p_queue AND state = 'waiting')
  THEN
    RETURN false;
  END IF;
  INSERT INTO bullmq.job (
    queue, id, seq, name, state, data, opts, priority, delay_ms, max_attempts, added_at_ms, lock_token,
    locked_until_ms, processed_at_ms, attempts_started
  ) VALUES (
    p_queue, p_id, nextval('bullmq.job_seq'), p_name, 'active', p_data, p_opts, p_priority, 0, 1, p_now, p_token,
    p_now + p_lock_ms, p_now, 1
  )
  ON CONFLICT (queue, id) DO NOTHING;
  RETURN FOUND;
END
$$;
