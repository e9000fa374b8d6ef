-- What an account's apps keep here: a JSON array of objects with `$type`, opaque to the server but for their types.
CREATE TABLE preferences (
    account_id INTEGER PRIMARY KEY REFERENCES account (account_id) ON DELETE CASCADE,
    value      TEXT    NOT NULL
);
