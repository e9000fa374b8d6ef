//! Questions to whoever sits at the terminal. Without a terminal, answers are lines of the standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 4_096;

/// Asks for a new password: twice and unseen at a terminal, else once.
///
/// # Errors
/// If there is no answer, or two different ones.
pub(super) fn new_password() -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let password = rpassword::prompt_password("New password: ")?;
    let again = rpassword::prompt_password("Again: ")?;
    if password != again {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same"));
    }
    checked(password)
}

/// Asks for the admin password, unseen; nothing without a terminal, where the standard input is for other answers.
///
/// # Errors
/// If there is no answer.
pub(super) fn admin_password() -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    checked(rpassword::prompt_password("Admin password: ")?).map(Some)
}

/// Asks whether something is really to be done: only `expected` means yes.
///
/// # Errors
/// If there is no answer.
pub(super) fn confirmed(question: &str, expected: &str) -> io::Result<bool> {
    write!(io::stderr(), "{question} Type {expected} to go on: ")?;
    Ok(read_line()? == expected)
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), MAX_ANSWER).read_line(&mut line)?;
    checked(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn checked(answer: String) -> io::Result<String> {
    if answer.is_empty() {
        let message = "there is no answer: type one at a terminal, or give it as a line of the standard input";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(answer)
}
