-- Of the run that a call was made for.
ALTER TABLE citadel.ledger ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
