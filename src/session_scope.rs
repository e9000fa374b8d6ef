//! What the access tokens of sessions are good for, in the words of the reference server.

/// The scope of a session's access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionScope {
    /// `com.atproto.access`: logged in with the account's password.
    Access = 1,
    /// `com.atproto.appPass`: logged in with an app password.
    AppPass = 2,
    /// `com.atproto.appPassPrivileged`: logged in with an app password that may read direct messages.
    AppPassPrivileged = 4,
    /// `com.atproto.takendown`: logged in while taken down, enough to leave.
    Takendown = 8,
    /// `com.atproto.signupQueued`: waiting to be admitted; only other servers issue it.
    SignupQueued = 16,
}

impl SessionScope {
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
    fn scopes_have_the_names_of_the_reference() {
        assert_eq!(
            SessionScope::parse("com.atproto.appPassPrivileged"),
            Some(SessionScope::AppPassPrivileged)
        );
        assert_eq!(SessionScope::parse("com.atproto.refresh"), None);
    }
}
