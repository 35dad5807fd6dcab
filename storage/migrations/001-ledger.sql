-- One row per request that ended. Written once, in batches, and never changed.
CREATE TABLE citadel.ledger (
  job_id            text PRIMARY KEY,
  request_id        text NOT NULL,
  key_name          text,
  endpoint          text NOT NULL,
  model             text NOT NULL,
  model_class       text NOT NULL,
  server            text,
  attempts          integer NOT NULL,
  queued_ms         double precision,
  first_token_ms    double precision,
  total_ms          double precision NOT NULL,
  prompt_tokens     bigint,
  completion_tokens bigint,
  outcome           text NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'cancelled')),
  error_code        text,
  created_at        timestamptz NOT NULL
);

CREATE INDEX ledger_created_at ON citadel.ledger (created_at);
CREATE INDEX ledger_key_name_created_at ON citadel.ledger (key_name, created_at);
