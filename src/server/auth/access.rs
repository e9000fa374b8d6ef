//! Which access tokens a method takes and what it asks of their account.

/// What a method asks of an access token and of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    scopes: u8,
    status: Status,
    oauth: OAuth,
}

/// The scope of a legacy session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LegacyScope {
    /// `com.atproto.access`: logged in with the account's password.
    Access = 1,
    /// `com.atproto.appPass`: logged in with an app password.
    AppPass = 2,
    /// `com.atproto.appPassPrivileged`: logged in with an app password that may read direct messages.
    AppPassPrivileged = 4,
    /// `com.atproto.takendown`: logged in while taken down, enough to leave.
    Takendown = 8,
    /// `com.atproto.signupQueued`: waiting to be admitted.
    SignupQueued = 16,
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
        scopes: LegacyScope::Access as u8 | LegacyScope::AppPass as u8 | LegacyScope::AppPassPrivileged as u8,
        status: Status::Any,
        oauth: OAuth::ByHandler,
    };
    /// Sessions of the account's password only; no OAuth; any account.
    pub const FULL: Self = Self {
        scopes: LegacyScope::Access as u8,
        status: Status::Any,
        oauth: OAuth::Refused,
    };

    /// Takes tokens of this scope too.
    pub const fn or(mut self, scope: LegacyScope) -> Self {
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
    pub const fn takes(self, scope: LegacyScope) -> bool {
        let shut_out = matches!(scope, LegacyScope::Takendown) && !matches!(self.status, Status::Any);
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

impl LegacyScope {
    /// The scope's name in a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "com.atproto.access",
            Self::AppPass => "com.atproto.appPass",
            Self::AppPassPrivileged => "com.atproto.appPassPrivileged",
            Self::Takendown => "com.atproto.takendown",
            Self::SignupQueued => "com.atproto.signupQueued",
        }
    }

    /// The scope of that name, if it is one an access token can have.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Access,
            Self::AppPass,
            Self::AppPassPrivileged,
            Self::Takendown,
            Self::SignupQueued,
        ]
        .into_iter()
        .find(|scope| scope.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_means_no_app_passwords() {
        assert!(Access::FULL.takes(LegacyScope::Access));
        assert!(!Access::FULL.takes(LegacyScope::AppPass));
        assert!(!Access::FULL.takes(LegacyScope::AppPassPrivileged));
        assert!(Access::STANDARD.takes(LegacyScope::AppPass));
    }

    #[test]
    fn takendown_tokens_need_both_the_scope_and_an_open_door() {
        let open = Access::STANDARD.or(LegacyScope::Takendown);
        assert!(open.takes(LegacyScope::Takendown));
        assert!(!open.status(Status::NotTakendown).takes(LegacyScope::Takendown));
        assert!(!Access::STANDARD.takes(LegacyScope::Takendown));
    }

    #[test]
    fn scopes_have_the_names_of_the_reference() {
        assert_eq!(
            LegacyScope::parse("com.atproto.appPassPrivileged"),
            Some(LegacyScope::AppPassPrivileged)
        );
        assert_eq!(LegacyScope::parse("com.atproto.refresh"), None);
    }
}
