-- Blobs that accounts uploaded. The file of a blob is there whenever `state` is not 'deleting'. `state` is
-- 'temporary': no record refers to it yet, it is removed some hours after `uploaded_at`;
-- 'permanent': a record refers to it, it is served;
-- 'deleting': the file may be there or not, the job removes it and then the row. Uploads begin so too, so that a file without a row
-- cannot be left behind.
-- Accounts are named by DID: the rows of a deleted account outlive it until its files are gone.
CREATE TABLE blob (
    did          TEXT    NOT NULL,
    cid          BLOB    NOT NULL,
    mime_type    TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    uploaded_at  INTEGER NOT NULL,
    takedown_ref TEXT,
    PRIMARY KEY (did, cid)
) WITHOUT ROWID;
CREATE INDEX blob_not_permanent ON blob (state, did, cid) WHERE state <> 'permanent';

-- Which records refer to which blobs, also to those that were not uploaded here (yet): a repo moves in before its blobs do.
CREATE TABLE blob_ref (
    repo_id INTEGER NOT NULL,
    cid     BLOB    NOT NULL,
    path    TEXT    NOT NULL,
    PRIMARY KEY (repo_id, cid, path)
) WITHOUT ROWID;
CREATE INDEX blob_ref_path ON blob_ref (repo_id, path);
