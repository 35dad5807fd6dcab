-- The words of each index version, for BM25. Points are numbered in the order in which they come, and never renumbered;
-- 4 096 numbers make a block.

CREATE TABLE citadel.search_index (
  version_id text PRIMARY KEY,
  number     integer NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
  dimensions integer,
  next_point integer NOT NULL DEFAULT 0
);

-- Which points a block holds, what their lengths come to, and the numbers (two bytes each, low byte first) of those
-- whose postings stand there still though they are gone.
CREATE TABLE citadel.search_block (
  index_number integer NOT NULL,
  block        integer NOT NULL,
  points       integer NOT NULL,
  lengths      bigint NOT NULL,
  dead         bytea NOT NULL DEFAULT '',
  PRIMARY KEY (index_number, block)
);

CREATE TABLE citadel.search_point (
  index_number integer NOT NULL,
  point_id     uuid NOT NULL,
  number       integer NOT NULL,
  document_id  text NOT NULL,
  length       integer NOT NULL,
  -- Of its terms: the same point with other words (its title changed) is written anew.
  terms_hash   bytea NOT NULL,
  PRIMARY KEY (index_number, point_id)
);
CREATE UNIQUE INDEX search_point_number ON citadel.search_point (index_number, number);
CREATE INDEX search_point_document ON citadel.search_point (index_number, document_id);

-- Five bytes a posting, by number: number in the block (2), occurrences (1), the point's length (2).
CREATE TABLE citadel.search_posting (
  index_number integer NOT NULL,
  block        integer NOT NULL,
  term         text NOT NULL,
  postings     bytea NOT NULL,
  PRIMARY KEY (index_number, block, term)
);
-- Each upsert appends to them: packing them anew each time costs more than the space.
ALTER TABLE citadel.search_posting ALTER COLUMN postings SET STORAGE EXTERNAL;
