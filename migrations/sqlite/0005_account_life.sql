-- Deleted accounts of which records and events are left. A job removes them in small pieces; the repo's row goes last.
CREATE TABLE deleted_account (
    repo_id INTEGER NOT NULL PRIMARY KEY,
    did     TEXT    NOT NULL,
    event   INTEGER NOT NULL -- seq of the account's last event, its deletion, from which its older ones are found
);

-- From when on nobody will miss a deactivated account.
CREATE INDEX account_delete_after ON account (delete_after) WHERE delete_after IS NOT NULL;

-- Codes that were mailed: one for each account and purpose, known only by an HMAC.
CREATE TABLE email_token (
    account_id   INTEGER NOT NULL REFERENCES account (account_id) ON DELETE CASCADE,
    purpose      TEXT    NOT NULL,
    keyed_hash   BLOB    NOT NULL,
    requested_at INTEGER NOT NULL,
    wrong_tries  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, purpose)
);
CREATE INDEX email_token_hash ON email_token (purpose, keyed_hash);

-- Mail that is still to be sent. `sealed` is the whole message: there may be a code in it.
CREATE TABLE outgoing_mail (
    mail_id        INTEGER NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL, -- 'user' or 'moderation': which server and sender it has
    sealing_key_id TEXT    NOT NULL REFERENCES sealing_key (sealing_key_id),
    sealed         BLOB    NOT NULL,
    expires_at     INTEGER NOT NULL, -- nobody wants it afterwards
    next_try_at    INTEGER NOT NULL,
    tries          INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outgoing_mail_next_try ON outgoing_mail (next_try_at);

-- Whether logging in with the password needs a mailed code too.
ALTER TABLE account ADD COLUMN email_factor INTEGER NOT NULL DEFAULT 0;

-- Whose codes, and who came with which.
CREATE INDEX invite_code_for_account ON invite_code (for_account);
CREATE INDEX invite_code_use_used_by ON invite_code_use (used_by);
