//! How often methods may be called: the reference server's numbers, and ours where it has none.

use std::time::Duration;

use crate::server::{Input, Limit};

const MINUTES_5: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What writing costs of [`WRITES_HOUR`] and [`WRITES_DAY`].
const CREATE: u32 = 3;
const UPDATE: u32 = 2;
const DELETE: u32 = 1;

const WRITES_HOUR: Limit = Limit::per_account("write", 5_000, HOUR);
const WRITES_DAY: Limit = Limit::per_account("write", 35_000, DAY);

pub(super) const CREATE_RECORD: &[Limit] = &[WRITES_HOUR.cost(|_| CREATE), WRITES_DAY.cost(|_| CREATE)];
pub(super) const PUT_RECORD: &[Limit] = &[WRITES_HOUR.cost(|_| UPDATE), WRITES_DAY.cost(|_| UPDATE)];
pub(super) const DELETE_RECORD: &[Limit] = &[WRITES_HOUR.cost(|_| DELETE), WRITES_DAY.cost(|_| DELETE)];
pub(super) const APPLY_WRITES: &[Limit] = &[WRITES_HOUR.cost(all_writes), WRITES_DAY.cost(all_writes)];

/// The reference counts uploads by address; a family behind one would share them.
pub(super) const UPLOAD_BLOB: &[Limit] = &[Limit::per_account("upload", 1_000, DAY)];

/// The reference has no limit here; every import rewrites a whole repo.
pub(super) const IMPORT_REPO: &[Limit] = &[Limit::per_account("importRepo", 20, HOUR)];

pub(super) const GET_REPO: &[Limit] = &[Limit::per_address("getRepo", 6_000, MINUTES_5)];

pub(super) const CREATE_ACCOUNT: &[Limit] = &[Limit::per_address("createAccount", 100, MINUTES_5)];

pub(super) const CREATE_SESSION: &[Limit] = &[
    Limit::per_address_and_input("createSession", "identifier", 300, DAY),
    Limit::per_address_and_input("createSession", "identifier", 30, MINUTES_5),
    // One password tried at many accounts. The reference has no such limit.
    Limit::failures_per_address("createSession", 100, MINUTES_5),
];

pub(super) const UPDATE_HANDLE: &[Limit] = &[
    Limit::per_account("updateHandle", 10, MINUTES_5),
    Limit::per_account("updateHandle", 50, DAY),
];

/// Each may cost requests to hosts that the caller chose; the reference has none of these methods.
pub(super) const RESOLVE_IDENTITY: &[Limit] = &[Limit::per_account("resolveIdentity", 500, MINUTES_5)];
pub(super) const REFRESH_IDENTITY: &[Limit] = &[
    Limit::per_account("refreshIdentity", 30, MINUTES_5),
    Limit::per_account("refreshIdentity", 300, DAY),
];

pub(super) const CHECK_HANDLE_AVAILABILITY: &[Limit] = &[Limit::per_address("checkHandleAvailability", 300, MINUTES_5)];

/// Anybody may ask for a key, which is then kept for a week.
pub(super) const RESERVE_SIGNING_KEY: &[Limit] = &[
    Limit::per_address("reserveSigningKey", 50, MINUTES_5),
    Limit::per_address("reserveSigningKey", 100, DAY),
];

/// Mails to an account of one kind.
const MAILS_HOUR: u32 = 5;
const MAILS_DAY: u32 = 15;

pub(super) const REQUEST_EMAIL_CONFIRMATION: &[Limit] = &[
    Limit::per_account("requestEmailConfirmation", MAILS_HOUR, HOUR),
    Limit::per_account("requestEmailConfirmation", MAILS_DAY, DAY),
];
pub(super) const REQUEST_EMAIL_UPDATE: &[Limit] = &[
    Limit::per_account("requestEmailUpdate", MAILS_HOUR, HOUR),
    Limit::per_account("requestEmailUpdate", MAILS_DAY, DAY),
];
pub(super) const REQUEST_ACCOUNT_DELETE: &[Limit] = &[
    Limit::per_account("requestAccountDelete", MAILS_HOUR, HOUR),
    Limit::per_account("requestAccountDelete", MAILS_DAY, DAY),
];
/// The reference has no limit here; its mails are as unwelcome.
pub(super) const REQUEST_PLC_OPERATION_SIGNATURE: &[Limit] = &[
    Limit::per_account("requestPlcOperationSignature", MAILS_HOUR, HOUR),
    Limit::per_account("requestPlcOperationSignature", MAILS_DAY, DAY),
];
/// Nothing counts on the address that mail goes to: strangers would use it up. Its letter box is kept from flooding by the pauses of
/// `mail_code_sparingly`.
pub(super) const REQUEST_PASSWORD_RESET: &[Limit] = &[
    Limit::per_address("requestPasswordReset", 15, HOUR),
    Limit::per_address("requestPasswordReset", 50, DAY),
];

/// The code alone names the account, so guesses count for all accounts together too. A code has 50 bits: so many guesses are no danger,
/// and it takes hundreds of addresses to use them up for others.
pub(crate) const RESET_PASSWORD: &[Limit] = &[
    Limit::per_address("resetPassword", 50, MINUTES_5),
    Limit::server_wide("resetPassword", 100_000, HOUR),
];

pub(super) const DELETE_ACCOUNT: &[Limit] = &[Limit::per_address("deleteAccount", 50, MINUTES_5)];

fn all_writes(input: &Input) -> u32 {
    let writes = input
        .get("writes")
        .and_then(|writes| writes.as_array())
        .unwrap_or_default();
    let costs = writes.iter().map(
        |write| match write.as_map().and_then(|write| write.get("$type")?.as_str()) {
            Some("com.atproto.repo.applyWrites#create") => CREATE,
            Some("com.atproto.repo.applyWrites#update") => UPDATE,
            _ => DELETE,
        },
    );
    costs.fold(0, u32::saturating_add)
}
