//! Mail for tests.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[expect(dead_code, reason = "the black-box tests need more of it")]
mod authority;
mod smtp_sink;

use std::sync::Arc;

use super::{Branding, Mail, MailSettings, Sender};
use crate::clock::Clock;
use crate::identity::KeySealer;
use crate::random::Random;
use crate::store::Store;

pub(crate) use authority::Authority;
pub(crate) use smtp_sink::{SmtpLogin, SmtpMood, SmtpSink, SmtpTls};

/// Mail through a server, for users and moderators.
pub(crate) fn mail(
    url: &str,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sealer: Arc<KeySealer>,
) -> Mail {
    let sender = Sender::new(url, "PDS <noreply@pds.test>", "pds.test").unwrap();
    let settings = MailSettings {
        users: Some(sender.clone()),
        moderation: Some(sender),
        branding: branding(),
    };
    Mail::new(store, settings, clock, random, sealer).unwrap()
}

/// A server without logo and colours.
pub(crate) fn branding() -> Branding {
    Branding {
        service_name: "Test PDS".to_owned(),
        public_url: "https://pds.test".to_owned(),
        home_url: None,
        logo_url: None,
        support_url: None,
        primary_color: None,
        confirmation_link: true,
    }
}
