-- Passwords that the server makes for clients which should not have the account's own. `keyed_hash` is 16 bytes of salt and
-- HMAC-SHA256 of the password under it: the passwords are random, so nothing slower is needed.
CREATE TABLE app_password (
    account_id INTEGER NOT NULL REFERENCES account (account_id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    keyed_hash BLOB    NOT NULL,
    privileged INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
);
