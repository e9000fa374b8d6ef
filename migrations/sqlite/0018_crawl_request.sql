-- How the last request to each relay to crawl this server ended.
CREATE TABLE crawl_request (
    relay TEXT NOT NULL PRIMARY KEY, -- its address
    asked_at INTEGER NOT NULL,       -- µs since 1970
    error TEXT                       -- why it did not say yes; NULL if it did
);
