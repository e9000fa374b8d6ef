-- Accounts that uploaded into the directory of the blobs, by run of the server. An upload puts its file into its place before its row is
-- written: what a crash left in between is looked for in the directories of these accounts in the next run.
CREATE TABLE blob_uploader (
    run INTEGER NOT NULL, -- counted from 1
    did TEXT    NOT NULL,
    PRIMARY KEY (run, did)
) WITHOUT ROWID;
