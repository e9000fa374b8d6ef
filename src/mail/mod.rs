//! Mail to users: letters are put into a durable outbox inside the transaction that they tell of, and sent by a worker that tries again
//! while the mail server is down. No request ever waits for a mail server.

pub mod check;
mod language;
mod letter;
mod outbox;
mod sender;
mod smtp;
mod templates;
mod transport;
mod worker;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::identity::KeySealer;
use crate::random::Random;
use crate::store::Store;

pub use language::Language;
pub use letter::{Branding, Letter};
pub use outbox::OutgoingMail;
pub use sender::{MailServerError, Sender, TlsUse};
pub use templates::{CONFIRM_EMAIL_PAGE, Code, RESET_PASSWORD_PAGE, UnknownPurpose};

use transport::Transport;

/// How mail leaves and what it looks like.
pub struct MailSettings {
    /// Mail with codes (`PDS_EMAIL_SMTP_URL`, `PDS_EMAIL_FROM_ADDRESS`); none means that there is no mail.
    pub users: Option<Sender>,
    /// Mail from moderators (`PDS_MODERATION_EMAIL_SMTP_URL`, `PDS_MODERATION_EMAIL_ADDRESS`); none means that theirs leaves as that to users.
    pub moderation: Option<Sender>,
    /// How the server presents itself.
    pub branding: Branding,
}

/// Whose mail it is: which server and sender it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// The server's own to its users.
    User,
    /// A moderator's to a user.
    Moderation,
}

impl MailKind {
    fn as_str(self) -> &'static str {
        match self {
            MailKind::User => "user",
            MailKind::Moderation => "moderation",
        }
    }
}

/// The outbox. Cheap to clone.
#[derive(Clone)]
pub struct Mail(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sealer: Arc<KeySealer>,
    users: Option<Transport>,
    moderation: Option<Transport>,
    branding: Branding,
    /// Rung when there is new mail.
    bell: Notify,
    failing: AtomicBool,
}

impl Mail {
    /// The outbox in a store. `sealer` must have passed its check.
    ///
    /// # Errors
    /// If a mail server's TLS cannot be set up.
    pub fn new(
        store: Store,
        settings: MailSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        sealer: Arc<KeySealer>,
    ) -> Result<Mail, MailServerError> {
        let MailSettings {
            users,
            moderation,
            branding,
        } = settings;
        Ok(Mail(Arc::new(Inner {
            store,
            clock,
            random,
            sealer,
            users: users.map(Transport::new).transpose()?,
            moderation: moderation.map(Transport::new).transpose()?,
            branding,
            bell: Notify::new(),
            failing: AtomicBool::new(false),
        })))
    }

    /// How the server presents itself in mail.
    pub fn branding(&self) -> &Branding {
        &self.0.branding
    }

    /// Whether codes can be mailed to users.
    pub fn reaches_users(&self) -> bool {
        self.0.users.is_some()
    }

    /// Whether the last attempt to send failed for a reason that is not the letter's.
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    fn transport(&self, kind: MailKind) -> Option<&Transport> {
        match kind {
            MailKind::User => self.0.users.as_ref(),
            // Few have a server for moderators of its own.
            MailKind::Moderation => self.0.moderation.as_ref().or(self.0.users.as_ref()),
        }
    }
}
