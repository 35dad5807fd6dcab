-- What has changed of a run is found by this index, and nothing else: one on (run_id, revision) also serves (run_id, key), and
-- before Postgres has analysed the table it seems as good for that as the primary key. Then all steps of a wide run were looked
-- at for each that was written. The expression keeps it from such plans.
DROP INDEX citadel.step_revision;
CREATE INDEX step_revision ON citadel.step ((run_id || ''), revision);
