//! App passwords in answers.

use serde::Serialize;

use crate::account::{AppPassword, Privilege};
use crate::clock::rfc3339_millis;

/// An app password without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppPasswordOutput {
    name: String,
    created_at: String,
    privileged: bool,
}

impl From<AppPassword> for AppPasswordOutput {
    fn from(password: AppPassword) -> Self {
        AppPasswordOutput {
            created_at: rfc3339_millis(password.created_at),
            privileged: password.privilege == Privilege::Privileged,
            name: password.name,
        }
    }
}
