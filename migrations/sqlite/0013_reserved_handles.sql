-- Names that nobody may choose as a handle, beside those in the program; administrators add them.
CREATE TABLE reserved_handle (
    name TEXT NOT NULL PRIMARY KEY -- what stands in front of the service domain, or a whole handle of another domain
);
