-- In which repos a collection has records. Written only by the commit that makes a collection's first record or removes its last.
CREATE TABLE repo_collection (
    collection TEXT    NOT NULL,
    repo_id    INTEGER NOT NULL,
    PRIMARY KEY (collection, repo_id)
) WITHOUT ROWID;
CREATE INDEX repo_collection_repo ON repo_collection (repo_id);
INSERT INTO repo_collection (collection, repo_id)
SELECT DISTINCT substr(path, 1, instr(path, '/') - 1), repo_id FROM record;

-- Few records are taken down, so this index is small; an import looks for them in the repo that it replaces.
CREATE INDEX record_taken_down ON record (repo_id, path) WHERE takedown_ref IS NOT NULL;

-- Repos that no account refers to: one that is being imported, or one whose records are being removed. Start-up removes what is here.
CREATE TABLE detached_repo (
    repo_id INTEGER NOT NULL PRIMARY KEY REFERENCES repo (repo_id)
);

-- An imported repo of an inactive account keeps its own rev, which may be older than those the account had here: the next commit's
-- must be newer than both.
ALTER TABLE repo ADD COLUMN rev_floor INTEGER NOT NULL DEFAULT 0;
