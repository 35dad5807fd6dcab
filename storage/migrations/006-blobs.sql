-- Bytes of documents where more than one process reads them. A blob's name is known when its last part is there: until
-- then its parts stand under the name of the upload.
CREATE TABLE citadel.blob (
  sha256     text PRIMARY KEY,
  upload     text NOT NULL UNIQUE,
  bytes      bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE citadel.blob_part (
  upload     text NOT NULL,
  ordinal    integer NOT NULL,
  content    bytea NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (upload, ordinal)
);

-- They are compressed, or too small for that to matter.
ALTER TABLE citadel.blob_part ALTER COLUMN content SET STORAGE EXTERNAL;
