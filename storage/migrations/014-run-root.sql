-- The first of the runs that have started each other; null for itself. What one run may come to is counted by it.
ALTER TABLE citadel.run ADD COLUMN root_id text;
CREATE INDEX run_root ON citadel.run (root_id) WHERE root_id IS NOT NULL;
