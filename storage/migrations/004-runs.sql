-- Accepted work. A run is a row, its steps are rows, and a step that is `ready` is the outbox: the queue only rings.
-- JSON is kept as text: jsonb reorders keys and refuses NUL and lone surrogates. No foreign keys between these tables:
-- every row of a run is written by the statement that has locked the run's own row.

-- A workflow in its normal form, by its content.
CREATE TABLE citadel.definition (
  hash       text PRIMARY KEY,
  definition text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE citadel.workflow_version (
  name       text NOT NULL,
  version    integer NOT NULL,
  hash       text NOT NULL REFERENCES citadel.definition,
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz,
  PRIMARY KEY (name, version)
);

CREATE TABLE citadel.run (
  id                text PRIMARY KEY,
  kind              text NOT NULL CHECK (kind IN ('job', 'workflow')),
  workflow          text NOT NULL,
  definition_hash   text NOT NULL,
  status            text NOT NULL,
  key_name          text,
  weight            double precision NOT NULL,
  priority          text NOT NULL,
  tags              text[] NOT NULL,
  metadata          text NOT NULL,
  input             text NOT NULL,
  output            text,
  error             text,
  tokens            bigint NOT NULL,
  -- Rises by one with every change of the run or its steps; who changes them must know it.
  revision          bigint NOT NULL,
  -- Of the newest event.
  last_seq          bigint NOT NULL,
  parent_id         text,
  parent_key        text,
  parent_attempt    integer,
  -- Of runs that have started each other, which this one is; from 0.
  depth             integer NOT NULL,
  forked_from       text,
  webhook           text,
  concurrency_key   text,
  concurrency_limit integer,
  created_at        timestamptz NOT NULL DEFAULT now(),
  started_at        timestamptz,
  ended_at          timestamptz,
  deadline_at       timestamptz,
  -- Until then, one process's relay looks after what is due.
  relay_until       timestamptz
);

CREATE INDEX run_created_at ON citadel.run (kind, created_at DESC, id DESC);
CREATE INDEX run_workflow ON citadel.run (workflow, created_at DESC);
CREATE INDEX run_parent ON citadel.run (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX run_tags ON citadel.run USING gin (tags) WHERE tags <> '{}';
CREATE INDEX run_deadline ON citadel.run (deadline_at) WHERE deadline_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX run_concurrency ON citadel.run (concurrency_key, created_at)
  WHERE concurrency_key IS NOT NULL AND ended_at IS NULL;

CREATE TABLE citadel.step (
  run_id             text NOT NULL,
  key                text NOT NULL,
  path               text NOT NULL,
  -- Its place in the order in which the run's steps came to be.
  position           integer NOT NULL,
  status             text NOT NULL,
  -- The fence: a result counts only for the attempt that runs.
  attempt            integer NOT NULL,
  failures           integer NOT NULL,
  lapses             integer NOT NULL,
  waits              text,
  end_order          integer,
  output             text,
  error              text,
  -- The run's, when the step last changed.
  revision           bigint NOT NULL,
  worker             text,
  lease_until        timestamptz,
  wake_at            timestamptz,
  child_run_id       text,
  changed_at         timestamptz NOT NULL,
  started_at         timestamptz,
  attempt_started_at timestamptz,
  ended_at           timestamptz,
  PRIMARY KEY (run_id, key)
) WITH (fillfactor = 80);

CREATE INDEX step_revision ON citadel.step (run_id, revision);
CREATE INDEX step_ready ON citadel.step (changed_at) WHERE status = 'ready';
CREATE INDEX step_lease ON citadel.step (lease_until) WHERE status = 'running';
CREATE INDEX step_wake ON citadel.step (wake_at) WHERE wake_at IS NOT NULL;

-- One row per attempt that has ended, those that lost their lease too.
CREATE TABLE citadel.step_attempt (
  run_id     text NOT NULL,
  key        text NOT NULL,
  attempt    integer NOT NULL,
  worker     text,
  outcome    text NOT NULL,
  error      text,
  tokens     bigint NOT NULL,
  facts      text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at   timestamptz NOT NULL,
  PRIMARY KEY (run_id, key, attempt)
);

CREATE TABLE citadel.run_event (
  run_id text NOT NULL,
  seq    bigint NOT NULL,
  type   text NOT NULL,
  key    text,
  data   text NOT NULL,
  at     timestamptz NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- Signals that no step has taken yet, and those that one has.
CREATE TABLE citadel.run_signal (
  id          text PRIMARY KEY,
  run_id      text NOT NULL,
  name        text NOT NULL,
  payload     text NOT NULL,
  -- The run's, when it came: their order.
  revision    bigint NOT NULL,
  created_at  timestamptz NOT NULL,
  consumed_at timestamptz
);

CREATE INDEX run_signal_kept ON citadel.run_signal (run_id, revision) WHERE consumed_at IS NULL;

-- What one run has to tell another (begin; a child has ended; be cancelled): written by the one, deleted by the other.
CREATE TABLE citadel.run_inbox (
  id         text PRIMARY KEY,
  run_id     text NOT NULL,
  event      text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE INDEX run_inbox_run ON citadel.run_inbox (run_id);

-- Outputs of steps that may be used again. The key is a hash of all that they depend on.
CREATE TABLE citadel.step_cache (
  key        text PRIMARY KEY,
  output     text NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE INDEX step_cache_expires_at ON citadel.step_cache (expires_at);

CREATE TABLE citadel.idempotency_key (
  -- The API key's name; '' where there are no keys.
  owner      text NOT NULL,
  key        text NOT NULL,
  body_hash  text NOT NULL,
  run_id     text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (owner, key)
);

-- A fire becomes one run, because that is started under an idempotency key of the schedule and the time.
CREATE TABLE citadel.schedule (
  id           text PRIMARY KEY,
  key_name     text,
  weight       double precision NOT NULL,
  workflow     text NOT NULL,
  input        text NOT NULL,
  -- Either a cron expression with its time zone, or a period.
  cron         text,
  time_zone    text,
  every_ms     bigint,
  next_at      timestamptz,
  last_fire_at timestamptz,
  last_run_id  text,
  last_error   text,
  created_at   timestamptz NOT NULL,
  CHECK ((cron IS NULL) <> (every_ms IS NULL))
);

CREATE INDEX schedule_next ON citadel.schedule (next_at);
CREATE INDEX schedule_created_at ON citadel.schedule (created_at, id);

CREATE TABLE citadel.webhook_outbox (
  id          text PRIMARY KEY,
  run_id      text NOT NULL,
  event       text NOT NULL,
  created_at  timestamptz NOT NULL,
  attempts    integer NOT NULL DEFAULT 0,
  next_at     timestamptz,
  sent_at     timestamptz,
  given_up_at timestamptz,
  error       text
);

CREATE INDEX webhook_outbox_next ON citadel.webhook_outbox (next_at) WHERE next_at IS NOT NULL;
