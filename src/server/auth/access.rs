//! Which access tokens a method takes and what it asks of their account.

use crate::session_scope::SessionScope;

/// What a method asks of an access token and of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    scopes: u8,
    status: Status,
    oauth: OAuth,
}

/// Which states of the account shut its owner out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Any account, even one that is gone or taken down.
    Any,
    /// Not a taken down one (401 `AccountTakedown`).
    NotTakendown,
    /// Neither a taken down nor a deactivated one (401 `AccountTakedown`, `AccountDeactivated`).
    Active,
}

/// What a method asks of an OAuth token besides the scope `atproto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuth {
    /// OAuth tokens are refused (403 `Forbidden`).
    Refused,
    /// This scope, such as `account:email?action=manage` (403 `ScopeMissingError`).
    Scope(&'static str),
    /// What is needed depends on the input: the handler asks the caller's permissions.
    ByHandler,
    /// Nothing more.
    Any,
}

impl Access {
    /// Sessions of passwords and app passwords; OAuth as the handler decides; any account.
    pub const STANDARD: Self = Self {
        scopes: SessionScope::Access as u8 | SessionScope::AppPass as u8 | SessionScope::AppPassPrivileged as u8,
        status: Status::Any,
        oauth: OAuth::ByHandler,
    };
    /// Sessions of the account's password only; no OAuth; any account.
    pub const FULL: Self = Self {
        scopes: SessionScope::Access as u8,
        status: Status::Any,
        oauth: OAuth::Refused,
    };

    /// Takes tokens of this scope too.
    pub const fn or(mut self, scope: SessionScope) -> Self {
        self.scopes |= scope as u8;
        self
    }

    /// Asks for accounts in this status.
    pub const fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Asks this of OAuth tokens.
    pub const fn oauth(mut self, oauth: OAuth) -> Self {
        self.oauth = oauth;
        self
    }

    /// Whether a legacy token of this scope is taken. Where taken down accounts are shut out, so are their tokens.
    pub const fn takes(self, scope: SessionScope) -> bool {
        let shut_out = matches!(scope, SessionScope::Takendown) && !matches!(self.status, Status::Any);
        self.scopes & (scope as u8) != 0 && !shut_out
    }

    /// Which accounts are let in.
    pub const fn required_status(self) -> Status {
        self.status
    }

    /// What OAuth tokens need.
    pub const fn required_oauth(self) -> OAuth {
        self.oauth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_means_no_app_passwords() {
        assert!(Access::FULL.takes(SessionScope::Access));
        assert!(!Access::FULL.takes(SessionScope::AppPass));
        assert!(!Access::FULL.takes(SessionScope::AppPassPrivileged));
        assert!(Access::STANDARD.takes(SessionScope::AppPass));
    }

    #[test]
    fn takendown_tokens_need_both_the_scope_and_an_open_door() {
        let open = Access::STANDARD.or(SessionScope::Takendown);
        assert!(open.takes(SessionScope::Takendown));
        assert!(!open.status(Status::NotTakendown).takes(SessionScope::Takendown));
        assert!(!Access::STANDARD.takes(SessionScope::Takendown));
    }
}
