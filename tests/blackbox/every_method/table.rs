//! What each method is called by and takes.

use Field::{Any, Cids, Did, Dids, Flag, Handle, Id, Nsid, Number, Object, Rev, Rkey, Text, Texts, Time, Uri, Writes};
use Takes::{Bytes, Input, Nothing, Parameters};
use Who::{Account, Admin, Anybody, Moderator, Newcomer, Owner, Reader, Refresher};

/// Whose credentials a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// None; what comes is not looked at.
    Anybody,
    /// None, or a service token of the account's.
    Newcomer,
    /// None, an account's access token, or the admin password.
    Reader,
    /// An account's access token, of an app password too.
    Account,
    /// An access token that the account's own password gave.
    Owner,
    /// A refresh token.
    Refresher,
    /// The admin password.
    Admin,
    /// The admin password, or a token of the moderation service.
    Moderator,
}

/// What a method is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// The fields of a query.
    Parameters(&'static [(&'static str, Field)]),
    /// A procedure without input.
    Nothing,
    /// The fields of a procedure's input. A `!` before a name: it must be there.
    Input(&'static [(&'static str, Field)]),
    /// A procedure's input of this media type, which is no JSON.
    Bytes(&'static str),
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Text,
    Texts,
    Did,
    Dids,
    Handle,
    /// A DID or handle.
    Id,
    Nsid,
    Rkey,
    Uri,
    Cids,
    Rev,
    Time,
    Number,
    Flag,
    Object,
    /// What `applyWrites` takes.
    Writes,
    /// JSON of any kind.
    Any,
}

/// Its name, who may call it, and with what.
pub(super) type Method = (&'static str, Who, Takes);

const REASON: &str = "!reasonType";

/// All methods of `server`, `identity`, `repo`, `sync`, `admin`, `moderation`, `temp` and our own, but the subscription.
#[rustfmt::skip]
pub(super) const METHODS: &[Method] = &[
    ("com.atproto.server.activateAccount", Owner, Nothing),
    ("com.atproto.server.checkAccountStatus", Account, Parameters(&[])),
    ("com.atproto.server.confirmEmail", Account, Input(&[("!email", Text), ("!token", Text)])),
    ("com.atproto.server.createAccount", Newcomer, Input(&[("!handle", Handle), ("email", Text), ("password", Text), ("inviteCode", Text), ("recoveryKey", Text), ("did", Did), ("plcOp", Any)])),
    ("com.atproto.server.createAppPassword", Owner, Input(&[("!name", Text), ("privileged", Flag)])),
    ("com.atproto.server.createInviteCode", Admin, Input(&[("!useCount", Number), ("forAccount", Did)])),
    ("com.atproto.server.createInviteCodes", Admin, Input(&[("!useCount", Number), ("codeCount", Number), ("forAccounts", Dids)])),
    ("com.atproto.server.createSession", Anybody, Input(&[("!identifier", Text), ("!password", Text), ("allowTakendown", Flag), ("authFactorToken", Text)])),
    ("com.atproto.server.deactivateAccount", Owner, Input(&[("deleteAfter", Time)])),
    ("com.atproto.server.deleteAccount", Anybody, Input(&[("!did", Did), ("!password", Text), ("!token", Text)])),
    ("com.atproto.server.deleteSession", Refresher, Nothing),
    ("com.atproto.server.describeServer", Anybody, Parameters(&[])),
    ("com.atproto.server.getAccountInviteCodes", Owner, Parameters(&[("includeUsed", Flag), ("createAvailable", Flag)])),
    ("com.atproto.server.getServiceAuth", Account, Parameters(&[("!aud", Text), ("exp", Number), ("lxm", Nsid)])),
    ("com.atproto.server.getSession", Account, Parameters(&[])),
    ("com.atproto.server.listAppPasswords", Account, Parameters(&[])),
    ("com.atproto.server.refreshSession", Refresher, Nothing),
    ("com.atproto.server.requestAccountDelete", Owner, Nothing),
    ("com.atproto.server.requestEmailConfirmation", Account, Nothing),
    ("com.atproto.server.requestEmailUpdate", Owner, Nothing),
    ("com.atproto.server.requestPasswordReset", Anybody, Input(&[("!email", Text)])),
    ("com.atproto.server.reserveSigningKey", Anybody, Input(&[("did", Did)])),
    ("com.atproto.server.resetPassword", Anybody, Input(&[("!token", Text), ("!password", Text)])),
    ("com.atproto.server.revokeAppPassword", Owner, Input(&[("!name", Text)])),
    ("com.atproto.server.updateEmail", Owner, Input(&[("!email", Text), ("emailAuthFactor", Flag), ("token", Text)])),
    ("com.atproto.identity.getRecommendedDidCredentials", Account, Parameters(&[])),
    ("com.atproto.identity.refreshIdentity", Account, Input(&[("!identifier", Id)])),
    ("com.atproto.identity.requestPlcOperationSignature", Owner, Nothing),
    ("com.atproto.identity.resolveDid", Account, Parameters(&[("!did", Did)])),
    ("com.atproto.identity.resolveHandle", Anybody, Parameters(&[("!handle", Handle)])),
    ("com.atproto.identity.resolveIdentity", Account, Parameters(&[("!identifier", Id)])),
    ("com.atproto.identity.signPlcOperation", Owner, Input(&[("token", Text), ("rotationKeys", Texts), ("alsoKnownAs", Texts), ("verificationMethods", Object), ("services", Object)])),
    ("com.atproto.identity.submitPlcOperation", Owner, Input(&[("!operation", Object)])),
    ("com.atproto.identity.updateHandle", Owner, Input(&[("!handle", Handle)])),
    ("com.atproto.repo.applyWrites", Account, Input(&[("!repo", Id), ("validate", Flag), ("!writes", Writes), ("swapCommit", Cids)])),
    ("com.atproto.repo.createRecord", Account, Input(&[("!repo", Id), ("!collection", Nsid), ("rkey", Rkey), ("validate", Flag), ("!record", Object), ("swapCommit", Cids)])),
    ("com.atproto.repo.deleteRecord", Account, Input(&[("!repo", Id), ("!collection", Nsid), ("!rkey", Rkey), ("swapRecord", Cids), ("swapCommit", Cids)])),
    ("com.atproto.repo.describeRepo", Anybody, Parameters(&[("!repo", Id)])),
    ("com.atproto.repo.getRecord", Anybody, Parameters(&[("!repo", Id), ("!collection", Nsid), ("!rkey", Rkey), ("cid", Cids)])),
    ("com.atproto.repo.importRepo", Owner, Bytes("application/vnd.ipld.car")),
    ("com.atproto.repo.listMissingBlobs", Account, Parameters(&[("limit", Number), ("cursor", Cids)])),
    ("com.atproto.repo.listRecords", Anybody, Parameters(&[("!repo", Id), ("!collection", Nsid), ("limit", Number), ("cursor", Text), ("reverse", Flag)])),
    ("com.atproto.repo.putRecord", Account, Input(&[("!repo", Id), ("!collection", Nsid), ("!rkey", Rkey), ("validate", Flag), ("!record", Object), ("swapRecord", Any), ("swapCommit", Cids)])),
    ("com.atproto.repo.uploadBlob", Account, Bytes("*/*")),
    ("com.atproto.sync.getBlob", Reader, Parameters(&[("!did", Did), ("!cid", Cids)])),
    ("com.atproto.sync.getBlocks", Reader, Parameters(&[("!did", Did), ("!cids", Cids)])),
    ("com.atproto.sync.getCheckout", Reader, Parameters(&[("!did", Did)])),
    ("com.atproto.sync.getHead", Reader, Parameters(&[("!did", Did)])),
    ("com.atproto.sync.getLatestCommit", Reader, Parameters(&[("!did", Did)])),
    ("com.atproto.sync.getRecord", Reader, Parameters(&[("!did", Did), ("!collection", Nsid), ("!rkey", Rkey)])),
    ("com.atproto.sync.getRepo", Reader, Parameters(&[("!did", Did), ("since", Rev)])),
    ("com.atproto.sync.getRepoStatus", Anybody, Parameters(&[("!did", Did)])),
    ("com.atproto.sync.listBlobs", Reader, Parameters(&[("!did", Did), ("since", Rev), ("limit", Number), ("cursor", Cids)])),
    ("com.atproto.sync.listRepos", Anybody, Parameters(&[("limit", Number), ("cursor", Number)])),
    ("com.atproto.sync.listReposByCollection", Anybody, Parameters(&[("!collection", Nsid), ("limit", Number), ("cursor", Number)])),
    ("com.atproto.admin.deleteAccount", Admin, Input(&[("!did", Did)])),
    ("com.atproto.admin.disableAccountInvites", Moderator, Input(&[("!account", Did), ("note", Text)])),
    ("com.atproto.admin.disableInviteCodes", Moderator, Input(&[("codes", Texts), ("accounts", Texts)])),
    ("com.atproto.admin.enableAccountInvites", Moderator, Input(&[("!account", Did), ("note", Text)])),
    ("com.atproto.admin.getAccountInfo", Moderator, Parameters(&[("!did", Did)])),
    ("com.atproto.admin.getAccountInfos", Moderator, Parameters(&[("!dids", Dids)])),
    ("com.atproto.admin.getInviteCodes", Moderator, Parameters(&[("sort", Text), ("limit", Number), ("cursor", Text)])),
    ("com.atproto.admin.getSubjectStatus", Moderator, Parameters(&[("did", Did), ("uri", Uri), ("blob", Cids)])),
    ("com.atproto.admin.searchAccounts", Moderator, Parameters(&[("email", Text), ("limit", Number), ("cursor", Text)])),
    ("com.atproto.admin.sendEmail", Moderator, Input(&[("!recipientDid", Did), ("!content", Text), ("subject", Text), ("!senderDid", Did), ("comment", Text)])),
    ("com.atproto.admin.updateAccountEmail", Admin, Input(&[("!account", Id), ("!email", Text)])),
    ("com.atproto.admin.updateAccountHandle", Admin, Input(&[("!did", Did), ("!handle", Handle)])),
    ("com.atproto.admin.updateAccountPassword", Admin, Input(&[("!did", Did), ("!password", Text)])),
    ("com.atproto.admin.updateAccountSigningKey", Admin, Input(&[("!did", Did), ("!signingKey", Text)])),
    ("com.atproto.admin.updateSubjectStatus", Moderator, Input(&[("!subject", Object), ("takedown", Object), ("deactivated", Object)])),
    ("com.atproto.moderation.createReport", Account, Input(&[(REASON, Text), ("reason", Text), ("!subject", Object)])),
    ("com.atproto.temp.addReservedHandle", Admin, Input(&[("!handle", Handle)])),
    ("com.atproto.temp.checkHandleAvailability", Anybody, Parameters(&[("!handle", Handle), ("email", Text), ("birthDate", Time)])),
    ("com.atproto.temp.checkSignupQueue", Account, Parameters(&[])),
    ("com.atproto.temp.revokeAccountCredentials", Admin, Input(&[("!account", Id)])),
    ("internal.pds.admin.clearEmailFactor", Admin, Input(&[("!account", Id)])),
    ("internal.pds.admin.getAccount", Admin, Parameters(&[("!account", Id), ("size", Flag)])),
    ("internal.pds.admin.getStorage", Admin, Parameters(&[])),
    ("internal.pds.admin.issueCode", Admin, Input(&[("!account", Id), ("!purpose", Text)])),
    ("internal.pds.admin.resyncAccounts", Admin, Input(&[("after", Number)])),
];
