-- Whether a caller waited for the call: it is a job of its own then, and not a part of accepted work.
ALTER TABLE citadel.ledger ADD COLUMN is_waited boolean NOT NULL DEFAULT false;
