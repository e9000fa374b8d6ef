-- What settings said at the last start that cannot just say something else once there are accounts or blobs.
CREATE TABLE remembered_setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
