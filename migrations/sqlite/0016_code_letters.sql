-- How many letters with a code were sent in a row without the code being used: the more, the longer until the next.
ALTER TABLE email_token ADD COLUMN letters INTEGER NOT NULL DEFAULT 1;
