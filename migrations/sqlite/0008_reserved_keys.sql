-- Signing keys promised to DIDs that may move here. Anybody may ask for one, so they are few and do not stay.
CREATE TABLE reserved_signing_key (
    reserved_for   TEXT    NOT NULL PRIMARY KEY, -- the DID, or the key itself where no DID was named
    public_key     TEXT    NOT NULL,             -- did:key
    sealed         BLOB    NOT NULL,
    sealing_key_id TEXT    NOT NULL REFERENCES sealing_key (sealing_key_id),
    created_at     INTEGER NOT NULL
);
CREATE INDEX reserved_signing_key_created ON reserved_signing_key (created_at);
