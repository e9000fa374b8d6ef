-- Where a repo has records about a subject of which there should be one: follows, blocks, likes and reposts.
-- A row may outlive its record; readers join with `record`.
CREATE TABLE subject_link (
    repo_id INTEGER NOT NULL,
    link    TEXT    NOT NULL, -- collection and subject
    path    TEXT    NOT NULL,
    PRIMARY KEY (repo_id, link, path)
) WITHOUT ROWID;
