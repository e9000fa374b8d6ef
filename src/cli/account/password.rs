//! Where an account's new password comes from: never from the command line, which everybody on the machine can read.

use std::io;

use crate::cli::prompt;
use crate::random::{self, SystemRandom};

/// Characters of a generated password: 32 letters and digits that are not mistaken for each other, 5 bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Where a password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Whoever runs the command is asked for it.
    Asked,
    /// It is made up, and printed.
    Generated,
}

impl Source {
    pub(super) fn password(self) -> io::Result<String> {
        match self {
            Source::Asked => prompt::new_password(),
            Source::Generated => Ok(generate()),
        }
    }
}

fn generate() -> String {
    let bytes: [u8; 24] = random::bytes(&SystemRandom);
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}
