-- The upper layers of large repos' trees, so that a tree can be made without reading all records. Derived from `record`: valid only if its
-- root is the one that the head commit names, and made anew otherwise. Small repos have no rows here.
CREATE TABLE repo_skeleton (
    repo_id         INTEGER NOT NULL,
    path            TEXT    NOT NULL, -- of a record on an upper layer; '' for what lies before the first of them
    cid             BLOB,             -- of that record
    subtree_cid     BLOB,             -- of the subtree between it and the next such record; NULL if there is none
    subtree_records INTEGER,
    subtree_nodes   INTEGER,
    PRIMARY KEY (repo_id, path)
) WITHOUT ROWID;
