//! Positions in the firehose.
