-- What is looked for when it has become old.
CREATE INDEX run_ended_at ON citadel.run (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX idempotency_key_created_at ON citadel.idempotency_key (created_at);
CREATE INDEX idempotency_key_run ON citadel.idempotency_key (run_id);
CREATE INDEX webhook_outbox_run ON citadel.webhook_outbox (run_id);

-- Whether a run's events are gone, so that nobody looks for them again.
ALTER TABLE citadel.run ADD COLUMN events_gone boolean NOT NULL DEFAULT false;
