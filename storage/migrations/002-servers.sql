-- What operators have said of model servers over the API. It stands over what configuration and discovery say.
CREATE TABLE citadel.server (
  id           text PRIMARY KEY,
  -- A registration body; null where only the words below were said of a server that is configured or was found.
  registration json,
  draining     boolean NOT NULL,
  removed      boolean NOT NULL
);

-- One row. Every change of citadel.server raises the revision, and holds this row while it is written.
CREATE TABLE citadel.server_set (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  revision bigint NOT NULL
);

INSERT INTO citadel.server_set (revision) VALUES (0);
