-- The line of documents to be taken in is read by this index, and nothing else: any statement that asks for some document's content
-- under way could use one on state = 'in_progress', and before Postgres has analysed the table (PGlite never does) it did, looking
-- at all that is under way for each. The expression keeps it from such plans.
DROP INDEX citadel.generation_line;
CREATE INDEX generation_line ON citadel.generation (line_at) WHERE state || '' = 'in_progress';
