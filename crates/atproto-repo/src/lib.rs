//! Repositories of the AT Protocol: MST, commits, CAR, diffs and inversion proofs, firehose frames. Pure: no clock, socket or file.
