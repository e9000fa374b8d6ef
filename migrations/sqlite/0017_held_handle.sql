-- A handle that an account is about to leave, until its DID names the new one: if that fails it goes back, and nobody can have taken it.
CREATE TABLE held_handle (
    handle     TEXT    NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (account_id) ON DELETE CASCADE
);
CREATE INDEX held_handle_account ON held_handle (account_id);
