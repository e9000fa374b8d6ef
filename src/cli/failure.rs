//! Why a verb failed, as scripts tell it: by the exit status.

/// What stands behind an exit status. Wrong usage is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was refused or went wrong.
    Refused,
    /// No server answers.
    Unreachable,
    /// The server does not take the admin password.
    Credentials,
    /// There is no such account or code.
    NotFound,
}

impl Cause {
    /// The exit status.
    pub(super) fn status(self) -> u8 {
        match self {
            Cause::Refused => 1,
            Cause::Unreachable => 3,
            Cause::Credentials => 4,
            Cause::NotFound => 5,
        }
    }
}

/// A failure with a cause that scripts can tell.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// Why.
    pub(super) cause: Cause,
    /// What is printed.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Failure {
        Failure {
            cause,
            message: message.into(),
        }
    }
}
