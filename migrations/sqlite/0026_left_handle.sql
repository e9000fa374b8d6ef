-- Handles of deleted accounts, which nobody else may choose for a while: followers would take the newcomer for the old owner.
CREATE TABLE left_handle (
    handle    TEXT    NOT NULL PRIMARY KEY,
    did       TEXT    NOT NULL, -- whose it was
    free_from INTEGER NOT NULL
);
CREATE INDEX left_handle_free_from ON left_handle (free_from);
