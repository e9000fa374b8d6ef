//! Who is calling.

use std::sync::Arc;

use atproto_data::Did;

use crate::account::{Access, RefreshToken};
use crate::identity::{ServiceCaller, TokenUse};
use crate::server::XrpcError;

/// A caller whose credentials have been verified.
#[derive(Debug)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Whoever knows the admin password.
    Admin,
    /// An account, through a session.
    Account(Arc<Access>),
    /// An account by a service token that it signed; it need not be here.
    Service(ServiceCaller),
    /// The moderation service.
    Moderator(ServiceCaller),
    /// The holder of a refresh token.
    Refresh(RefreshToken),
}

impl Caller {
    /// The session of a method that takes nobody else.
    ///
    /// # Errors
    /// 401 `AuthMissing` for any other caller; the method's `Auth` keeps them away.
    pub fn access(&self) -> Result<&Access, XrpcError> {
        match self {
            Caller::Account(access) => Ok(access),
            _ => Err(XrpcError::auth_missing()),
        }
    }

    /// The refresh token of a method that takes nothing else.
    ///
    /// # Errors
    /// 401 `AuthMissing` for any other caller; the method's `Auth` keeps them away.
    pub fn into_refresh_token(self) -> Result<RefreshToken, XrpcError> {
        match self {
            Caller::Refresh(token) => Ok(token),
            _ => Err(XrpcError::auth_missing()),
        }
    }

    /// Whether it is the admin.
    pub fn is_admin(&self) -> bool {
        matches!(self, Caller::Admin)
    }

    /// The caller's DID, if it is an account, here or elsewhere.
    pub fn did(&self) -> Option<&Did> {
        match self {
            Caller::Account(access) => Some(&access.account.did),
            Caller::Service(caller) => Some(&caller.did),
            _ => None,
        }
    }

    /// Takes out the one use of a token that is good once.
    pub(crate) fn take_token_use(&mut self) -> Option<TokenUse> {
        match self {
            Caller::Service(caller) | Caller::Moderator(caller) => caller.token_use.take(),
            _ => None,
        }
    }
}
