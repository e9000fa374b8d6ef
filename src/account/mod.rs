//! Accounts: creation, passwords, sessions, invites and status. Knows nothing of HTTP.

mod access;
mod account_row;
mod activation;
mod app_passwords;
mod counts;
mod create;
mod credentials;
mod deletion;
mod document;
mod earned_invites;
mod email;
mod email_flows;
mod email_token;
mod genesis;
mod handle;
mod held;
mod hosting;
mod interrupted_handles;
mod invite_codes;
mod invites;
mod issued_token;
mod key_change;
mod login;
mod login_attempts;
mod lookup;
mod moderation;
mod move_in;
mod origin;
mod password;
mod pending;
mod plc_operation;
mod preferences;
mod refresh;
mod reserved_handles;
mod reserved_keys;
mod resync;
mod second_factor;
mod sessions;
mod settle;
mod status;
mod takedown;
mod token;

use std::sync::Arc;

use atproto_data::{Did, SigningKey};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::identity::{DidDocuments, HandleRules, KeySealer, PlcDirectory};
use crate::locks::Locks;
use crate::mail::Mail;
use crate::random::Random;
use crate::store::Store;

pub use access::Access;
pub use activation::{ActivateError, Activation};
pub use app_passwords::{AppPassword, AppPasswordError, Privilege};
pub use counts::{AccountCounts, count_accounts};
pub use create::{CreateError, CreatedAccount, NewAccount};
pub use credentials::{EmailError, NewPasswordError};
pub use deletion::{Deletion, DeletionError, Remains};
pub use earned_invites::InviteEarning;
pub use email::EmailRefused;
pub use email_flows::{ConfirmEmailError, EmailUpdate, ResetPasswordError, UpdateEmailError};
pub use email_token::EmailTokenError;
pub use handle::HandleError;
pub use invite_codes::{InviteCode, InviteOrder};
pub use invites::{ADMIN, InviteError};
pub use key_change::KeyChangeError;
pub use login::{Login, LoginError};
pub use moderation::{AccountSearch, ModeratedAccount};
pub use origin::Origin;
pub use password::PasswordError;
pub use plc_operation::{PlcChanges, PlcOperationError};
pub use preferences::{PreferenceAccess, PreferencesError};
pub use refresh::RefreshError;
pub use reserved_keys::ReserveKeyError;
pub use second_factor::EmailFactor;
pub use sessions::Session;
pub use settle::Settled;
pub use status::{Account, AccountStatus};
pub use takedown::Takedown;
pub use token::{RefreshToken, TokenError};

use access::KnownTokens;
use email_token::EmailTokens;
use login_attempts::LoginAttempts;
use lookup::KnownAccounts;
use password::Passwords;
use token::Tokens;

/// What accounts are made with and how their tokens are signed.
pub struct AccountSettings {
    /// The server's own DID, the audience of session tokens (`PDS_SERVICE_DID`).
    pub service_did: Did,
    /// The server's host name, with which invite codes begin (`PDS_HOSTNAME`).
    pub hostname: String,
    /// The URL of this PDS that goes into DID documents, without `/` at the end.
    pub public_url: String,
    /// Where handles are given out, each with its leading dot (`PDS_SERVICE_HANDLE_DOMAINS`).
    pub service_handle_domains: Vec<String>,
    /// Whether an account needs an invite code (`PDS_INVITE_REQUIRED`).
    pub invite_required: bool,
    /// How accounts earn invite codes, if they do.
    pub invite_earning: Option<InviteEarning>,
    /// HS256 key of session tokens: its UTF-8 bytes are the key (`PDS_JWT_SECRET`).
    pub jwt_secret: Zeroizing<String>,
    /// Signs PLC operations (`PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX`).
    pub plc_rotation_key: SigningKey,
    /// A `did:key` put before the server's own among the rotation keys (`PDS_RECOVERY_DID_KEY`).
    pub recovery_did_key: Option<String>,
    /// Whether sessions come with the account's DID document (`PDS_ENABLE_DID_DOC_WITH_SESSION`).
    pub did_document_with_session: bool,
}

/// What accounts stand on.
pub struct AccountServices {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where DIDs are registered.
    pub plc: Arc<dyn PlcDirectory>,
    /// Seals signing keys; has passed its check.
    pub sealer: Arc<KeySealer>,
    /// What DIDs say.
    pub dids: DidDocuments,
    /// Brings codes to people.
    pub mail: Mail,
    /// Where work runs that the server waits for before it ends.
    pub tasks: TaskTracker,
}

/// All accounts of this server. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    plc: Arc<dyn PlcDirectory>,
    sealer: Arc<KeySealer>,
    settings: AccountSettings,
    handle_rules: HandleRules,
    passwords: Passwords,
    tokens: Tokens,
    known_tokens: KnownTokens,
    known_accounts: KnownAccounts,
    dids: DidDocuments,
    mail: Mail,
    tasks: TaskTracker,
    email_tokens: EmailTokens,
    /// An account's handle is changed by one request at a time.
    handle_changes: Locks<i64>,
    login_attempts: LoginAttempts,
}

impl Accounts {
    /// The accounts in a store.
    pub fn new(store: Store, settings: AccountSettings, services: AccountServices) -> Accounts {
        let AccountServices {
            clock,
            random,
            plc,
            sealer,
            dids,
            mail,
            tasks,
        } = services;
        let handle_rules = HandleRules::new(&settings.hostname, &settings.service_handle_domains);
        let passwords = Passwords::new(Arc::clone(&random));
        let tokens = Tokens::new(&settings.jwt_secret, &settings.service_did);
        let email_tokens = EmailTokens::new(&settings.jwt_secret);
        let login_attempts = LoginAttempts::new(Arc::clone(&clock));
        let known_tokens = access::known_tokens(&store);
        let known_accounts = lookup::known_accounts(&store);
        let inner = Inner {
            store,
            clock,
            random,
            plc,
            sealer,
            settings,
            handle_rules,
            passwords,
            tokens,
            known_tokens,
            known_accounts,
            dids,
            mail,
            tasks,
            email_tokens,
            handle_changes: Locks::default(),
            login_attempts,
        };
        Accounts(Arc::new(inner))
    }

    /// The rules for handles.
    pub fn handle_rules(&self) -> &HandleRules {
        &self.0.handle_rules
    }

    /// Seconds since 1970.
    fn now_seconds(&self) -> i64 {
        self.0.clock.now_micros().div_euclid(MICROS_PER_SECOND)
    }
}

/// The id of no account.
const NOBODY: i64 = 0;

/// Microseconds in a second.
const MICROS_PER_SECOND: i64 = 1_000_000;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
