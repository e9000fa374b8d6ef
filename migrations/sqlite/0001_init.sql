-- Ids inside are integers. Times are INTEGER microseconds since 1970. CIDs are their 36 raw bytes. Revs are TIDs as integers.
-- Booleans are 0 or 1. Only 64-bit integers, text, blobs and NULL, so that PostgreSQL can have the same tables.

-- One row per repo. The head is the signed commit; the MST below it is derived from `record` (docs/adr/0001).
CREATE TABLE repo (
    repo_id     INTEGER NOT NULL PRIMARY KEY,
    commit_cid  BLOB    NOT NULL,
    rev         INTEGER NOT NULL,
    commit_data BLOB    NOT NULL, -- the signed commit block
    last_event  INTEGER           -- seq of the account's newest event, the head of its chain in `event`
);

-- `path` is `collection/rkey`, so that the order of the rows is the order of the MST's keys.
CREATE TABLE record (
    repo_id      INTEGER NOT NULL,
    path         TEXT    NOT NULL,
    cid          BLOB    NOT NULL,
    rev          INTEGER NOT NULL,
    content      BLOB    NOT NULL, -- DAG-CBOR
    takedown_ref TEXT,
    PRIMARY KEY (repo_id, path)
) WITHOUT ROWID;

CREATE TABLE account (
    account_id         INTEGER NOT NULL PRIMARY KEY,
    did                TEXT    NOT NULL UNIQUE,
    handle             TEXT    NOT NULL UNIQUE, -- lower case
    email              TEXT    NOT NULL,        -- as the person wrote it
    email_key          TEXT    NOT NULL UNIQUE, -- lower case, for look-ups
    email_confirmed_at INTEGER,
    password_hash      TEXT,                    -- NULL: no login with a password
    repo_id            INTEGER NOT NULL UNIQUE REFERENCES repo (repo_id),
    created_at         INTEGER NOT NULL,
    deactivated_at     INTEGER,
    delete_after       INTEGER,
    takedown_ref       TEXT,
    invites_disabled   INTEGER NOT NULL DEFAULT 0,
    tokens_cut_off     INTEGER                  -- access tokens without `jti` issued at or before this are refused
);

-- Names each key that signing keys are sealed under, with a value that proves at start that the right one is configured.
CREATE TABLE sealing_key (
    sealing_key_id TEXT NOT NULL PRIMARY KEY,
    check_value    BLOB NOT NULL
);

CREATE TABLE signing_key (
    did            TEXT NOT NULL PRIMARY KEY,
    public_key     TEXT NOT NULL, -- did:key
    sealed         BLOB NOT NULL,
    sealing_key_id TEXT NOT NULL REFERENCES sealing_key (sealing_key_id)
);

-- An account between its genesis operation and the PLC directory's answer. `state` is
-- `creating`: a request works on it; it holds handle, e-mail and one use of the invite;
-- `unsettled`: the request failed and nobody knows yet whether the directory has the operation; it holds nothing;
-- `settling`: the job is asking the directory.
CREATE TABLE pending_account (
    did            TEXT    NOT NULL PRIMARY KEY,
    state          TEXT    NOT NULL,
    handle         TEXT    NOT NULL,
    email_key      TEXT    NOT NULL,
    invite_code    TEXT,
    public_key     TEXT    NOT NULL,
    sealed         BLOB    NOT NULL,
    sealing_key_id TEXT    NOT NULL REFERENCES sealing_key (sealing_key_id),
    operation      TEXT    NOT NULL, -- the signed genesis operation, JSON
    created_at     INTEGER NOT NULL
);
CREATE UNIQUE INDEX pending_account_handle ON pending_account (handle) WHERE state = 'creating';
CREATE UNIQUE INDEX pending_account_email ON pending_account (email_key) WHERE state = 'creating';

-- A session is one login. Its id is the `jti` of its access tokens and stays over refreshes.
CREATE TABLE session (
    session_id        TEXT    NOT NULL PRIMARY KEY,
    account_id        INTEGER NOT NULL REFERENCES account (account_id) ON DELETE CASCADE,
    app_password_name TEXT,
    scope             TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL -- when its newest refresh token expires
);
CREATE INDEX session_account ON session (account_id, expires_at);
CREATE INDEX session_expires ON session (expires_at);

CREATE TABLE refresh_token (
    token_id   TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES session (session_id) ON DELETE CASCADE,
    next_id    TEXT,
    expires_at INTEGER NOT NULL
);
CREATE INDEX refresh_token_session ON refresh_token (session_id);

CREATE TABLE invite_code (
    code           TEXT    NOT NULL PRIMARY KEY,
    available_uses INTEGER NOT NULL,
    disabled       INTEGER NOT NULL DEFAULT 0,
    for_account    TEXT    NOT NULL,
    created_by     TEXT    NOT NULL,
    created_at     INTEGER NOT NULL
);

CREATE TABLE invite_code_use (
    code    TEXT    NOT NULL REFERENCES invite_code (code),
    used_by TEXT    NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (code, used_by)
);

-- The firehose. `frame` is ready to be sent. `previous` chains an account's events, newest to oldest, from `repo.last_event`.
CREATE TABLE event (
    seq        INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL,
    previous   INTEGER,
    time       INTEGER NOT NULL,
    frame      BLOB    NOT NULL
);

-- One row: the last seq ever given out and the seq below which the log was pruned. Never deleted.
CREATE TABLE sequencer (
    sequencer_id INTEGER NOT NULL PRIMARY KEY CHECK (sequencer_id = 1),
    seq_high     INTEGER NOT NULL,
    pruned_to    INTEGER NOT NULL
);
INSERT INTO sequencer (sequencer_id, seq_high, pruned_to) VALUES (1, 0, 0);
