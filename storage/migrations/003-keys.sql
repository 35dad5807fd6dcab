-- API keys. A key itself is nowhere: only its SHA-256, which is enough for 256 random bits.
CREATE TABLE citadel.api_key (
  id                  text PRIMARY KEY,
  name                text NOT NULL,
  role                text NOT NULL CHECK (role IN ('user', 'admin')),
  digest              text NOT NULL UNIQUE,
  prefix              text NOT NULL,
  requests_per_minute bigint,
  tokens_per_minute   bigint,
  max_concurrency     integer,
  models              text[],
  budget_tokens       bigint,
  budget_per          text CHECK (budget_per IN ('day', 'month')),
  weight              double precision NOT NULL,
  expires_at          timestamptz,
  created_at          timestamptz NOT NULL,
  revoked_at          timestamptz,
  CHECK ((budget_tokens IS NULL) = (budget_per IS NULL))
);

-- The name of a revoked key may be given again, so that a key can be replaced.
CREATE UNIQUE INDEX api_key_name ON citadel.api_key (name) WHERE revoked_at IS NULL;
CREATE INDEX api_key_created_at ON citadel.api_key (created_at, id);

-- One row. It rises with each change of a key, whoever makes it: processes look at it each second.
CREATE TABLE citadel.api_key_revision (revision bigint NOT NULL);
INSERT INTO citadel.api_key_revision VALUES (0);

CREATE FUNCTION citadel.raise_api_key_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE citadel.api_key_revision SET revision = revision + 1;
  RETURN NULL;
END $$;

CREATE TRIGGER api_key_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON citadel.api_key
  FOR EACH STATEMENT EXECUTE FUNCTION citadel.raise_api_key_revision();

-- What a call counts against its key's tokens: what the server reported, or an estimate where it reported none.
ALTER TABLE citadel.ledger ADD COLUMN charged_tokens bigint;

-- The ledger's tokens by key and day (UTC), written in the statement that writes the ledger's rows.
CREATE TABLE citadel.token_usage (
  key_name text NOT NULL,
  day      date NOT NULL,
  tokens   bigint NOT NULL,
  PRIMARY KEY (key_name, day)
);

INSERT INTO citadel.token_usage (key_name, day, tokens)
SELECT key_name, (created_at AT TIME ZONE 'UTC')::date, sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0))
FROM citadel.ledger
WHERE key_name IS NOT NULL
GROUP BY 1, 2;
