//! Creating an account: pending row → genesis operation at the PLC directory → account, empty repo and events in one transaction.

use atproto_data::crypto::Curve;
use atproto_data::{Did, Handle, PublicKey, SigningKey};
use atproto_plc::{State, UnsignedOperation};
use sqlx::{Row as _, SqliteConnection};

use super::genesis::FirstCommit;
use super::password::{self, PasswordError};
use super::pending::{self, Pending, Wanted};
use super::sessions::NewSession;
use super::token::Scope;
use super::{Account, AccountStatus, Accounts, InviteError, Session, email, invites};
use crate::identity::{HandleRefused, PlcError, SealError, signing_keys};
use crate::random;
use crate::store::{StoreError, Tx};

/// What somebody asks for.
#[derive(Clone)]
pub struct NewAccount {
    /// The handle.
    pub handle: Handle,
    /// The e-mail address; needed.
    pub email: Option<String>,
    /// The password; without one only a password reset lets anybody in.
    pub password: Option<String>,
    /// The invite code.
    pub invite_code: Option<String>,
    /// A `did:key` that shall be the DID's most powerful rotation key.
    pub recovery_key: Option<String>,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct CreatedAccount {
    /// Its first session.
    pub session: Session,
    /// Its DID document as the PLC directory shows it, if the directory answers.
    pub document: Option<serde_json::Value>,
}

/// Why an account is not created. Nothing is left of it, and trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No e-mail address is given.
    #[error("Email is required")]
    EmailMissing,
    /// The e-mail address is malformed or a throw-away one.
    #[error("This email address is not supported, please use a different email.")]
    EmailRefused,
    /// The password is too long.
    #[error("Password too long. Maximum length is 256 characters.")]
    PasswordTooLong,
    /// The recovery key is no key.
    #[error("The recovery key must be a did:key of a k256 or p256 key")]
    RecoveryKey,
    /// The handle is against the rules.
    #[error(transparent)]
    Handle(#[from] HandleRefused),
    /// The invite code is missing or not good.
    #[error(transparent)]
    Invite(InviteError),
    /// Somebody has the handle.
    #[error("Handle already taken: {0}")]
    HandleTaken(Handle),
    /// Somebody has the e-mail address.
    #[error("Email already taken")]
    EmailTaken,
    /// The PLC directory did not take the DID.
    #[error("the account's DID could not be registered: {0}; nothing was created, please try again")]
    Plc(#[from] PlcError),
    /// It took so long that the job ended it.
    #[error("creating the account took too long; nothing was created, please try again")]
    Interrupted,
    /// The password cannot be hashed now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The signing key cannot be opened.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InviteError> for CreateError {
    fn from(error: InviteError) -> CreateError {
        match error {
            InviteError::Store(error) => CreateError::Store(error),
            other => CreateError::Invite(other),
        }
    }
}

impl Accounts {
    /// Creates an account with a DID of its own and opens its first session.
    ///
    /// # Errors
    /// Why not; then no account exists, the invite is unused, and what the PLC directory may know of it is taken up by the next try
    /// or ended by the job.
    pub async fn create(&self, new: NewAccount) -> Result<CreatedAccount, CreateError> {
        let email = self.check_rules(&new)?;
        let pending = self.reserve(&new, &email).await?;
        let did = pending.did.clone();
        let held = Held { accounts: self, did: Some(did.clone()) };
        let session = match self.register(pending, email, new.password).await {
            Ok(session) => session,
            Err(error) => {
                held.release().await;
                return Err(error);
            }
        };
        held.forget();
        let document = self.did_document(&did).await;
        let document = document.inspect_err(|error| tracing::warn!(%error, %did, "no DID document for a new account"));
        Ok(CreatedAccount { session, document: document.ok() })
    }

    /// Checks what needs no database; gives the e-mail address.
    fn check_rules(&self, new: &NewAccount) -> Result<String, CreateError> {
        if new.password.as_deref().is_some_and(|password| !password::can_be_chosen(password)) {
            return Err(CreateError::PasswordTooLong);
        }
        if self.0.settings.invite_required && new.invite_code.as_deref().unwrap_or_default().is_empty() {
            return Err(CreateError::Invite(InviteError::Missing));
        }
        let email = new.email.clone().filter(|email| !email.is_empty()).ok_or(CreateError::EmailMissing)?;
        if !email::is_acceptable(&email) {
            return Err(CreateError::EmailRefused);
        }
        self.0.handle_rules.check_new(&new.handle)?;
        if new.recovery_key.as_deref().is_some_and(|key| PublicKey::from_did_key(key).is_err()) {
            return Err(CreateError::RecoveryKey);
        }
        Ok(email)
    }

    /// First transaction: the pending row.
    async fn reserve(&self, new: &NewAccount, email: &str) -> Result<Pending, CreateError> {
        let email_key = email::key(email);
        // Where no invite is needed, none is used up.
        let invite_code = new.invite_code.clone().filter(|_| self.0.settings.invite_required);
        let wanted = Wanted { handle: &new.handle, email_key: &email_key, invite_code: invite_code.as_deref() };
        // Looked up before anything costly is done; decided in the transaction.
        pending::check_free(&mut *self.0.store.read().await?, &wanted).await?;

        let row = self.prepare(new, email_key, invite_code)?;
        let now = self.0.clock.now_micros();
        self.0.store.change(move |tx| Box::pin(pending::reserve(tx.connection(), row, now))).await
    }

    /// A new signing key and the genesis operation of its DID.
    fn prepare(
        &self,
        new: &NewAccount,
        email_key: String,
        invite_code: Option<String>,
    ) -> Result<Pending, CreateError> {
        let settings = &self.0.settings;
        let signing_key = self.new_signing_key();
        let public_key = signing_key.public_key().to_did_key();
        let own = settings.plc_rotation_key.public_key().to_did_key();
        let mut rotation_keys: Vec<String> = Vec::new();
        for key in [new.recovery_key.clone(), settings.recovery_did_key.clone(), Some(own)].into_iter().flatten() {
            if !rotation_keys.contains(&key) {
                rotation_keys.push(key);
            }
        }
        let state = State::for_account(&public_key, &new.handle, &settings.public_url, rotation_keys);
        let operation = UnsignedOperation::genesis(state).sign(&settings.plc_rotation_key);
        let did = operation.did_of_genesis();
        let sealed = self.0.sealer.seal(&*self.0.random, &did, &signing_key);
        Ok(Pending { did, handle: new.handle.clone(), email_key, invite_code, public_key, sealed, operation })
    }

    fn new_signing_key(&self) -> SigningKey {
        loop {
            // All but one in 2^127 numbers of 32 bytes are keys.
            let bytes = zeroize::Zeroizing::new(random::bytes::<32>(&*self.0.random));
            if let Ok(key) = SigningKey::from_bytes(Curve::K256, &bytes) {
                return key;
            }
        }
    }

    /// The directory, then the second transaction.
    async fn register(
        &self,
        pending: Pending,
        email: String,
        password: Option<String>,
    ) -> Result<Session, CreateError> {
        let password_hash = match password.filter(|password| !password.is_empty()) {
            Some(password) => Some(self.0.passwords.hash(&password).await?),
            None => None,
        };
        self.submit_genesis(&pending).await?;
        self.finish(pending, email, password_hash).await
    }

    /// Makes sure that the directory has the genesis operation. An error may hide a success: what counts is the directory's last
    /// operation.
    async fn submit_genesis(&self, pending: &Pending) -> Result<(), PlcError> {
        let Err(error) = self.0.plc.submit(&pending.did, &pending.operation).await else { return Ok(()) };
        tracing::warn!(%error, did = %pending.did, "registering a DID");
        match self.0.plc.last_operation(&pending.did).await {
            Ok(Some(last)) if last.cid() == pending.operation.cid() => Ok(()),
            _ => Err(error),
        }
    }

    /// Second transaction: account, empty repo, events and session; the pending row goes.
    async fn finish(
        &self,
        pending: Pending,
        email: String,
        password_hash: Option<String>,
    ) -> Result<Session, CreateError> {
        let now = self.0.clock.now_micros();
        let key = self.0.sealer.open(&pending.did, &pending.sealed)?;
        let clock_id = u16::from_be_bytes(random::bytes(&*self.0.random));
        let commit = FirstCommit::sign(&pending.did, &pending.handle, &key, now, clock_id);
        let row = AccountRow { pending, email, password_hash, commit, session: self.new_session(Scope::Access), now };
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                let account = row.insert(tx).await?;
                Ok::<_, CreateError>((account, row.session))
            })
        });
        let (account, session) = stored.await?;
        Ok(self.open_session(account, &session))
    }
}

/// Everything that the second transaction stores.
struct AccountRow {
    pending: Pending,
    email: String,
    password_hash: Option<String>,
    commit: FirstCommit,
    session: NewSession,
    now: i64,
}

impl AccountRow {
    async fn insert(&self, tx: &mut Tx<'_>) -> Result<Account, CreateError> {
        let Pending { did, handle, invite_code, public_key, sealed, .. } = &self.pending;
        if !pending::finish(tx.connection(), did).await? {
            return Err(CreateError::Interrupted);
        }
        let repo_id = self.commit.insert(tx.connection()).await?;
        let account_id = self.insert_account(tx.connection(), repo_id).await?;
        signing_keys::insert(tx.connection(), did, public_key, sealed).await?;
        if let Some(code) = invite_code {
            invites::mark_used(tx.connection(), code, did.as_str(), self.now).await?;
        }
        for event in &self.commit.events {
            tx.emit(account_id, repo_id, event).await?;
        }
        self.session.insert(tx.connection(), account_id).await?;
        Ok(Account {
            account_id,
            repo_id,
            did: did.clone(),
            handle: handle.clone(),
            status: AccountStatus::Active,
            email: self.email.clone(),
            email_confirmed: false,
        })
    }

    async fn insert_account(&self, connection: &mut SqliteConnection, repo_id: i64) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO account (did, handle, email, email_key, password_hash, repo_id, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING account_id",
        )
        .bind(self.pending.did.as_str())
        .bind(self.pending.handle.as_str())
        .bind(&self.email)
        .bind(&self.pending.email_key)
        .bind(self.password_hash.as_deref())
        .bind(repo_id)
        .bind(self.now)
        .fetch_one(connection)
        .await?;
        Ok(row.try_get(0)?)
    }
}

/// A pending row that a request holds. Dropped, because the client went away, it gives back what the row held.
struct Held<'a> {
    accounts: &'a Accounts,
    did: Option<Did>,
}

impl Held<'_> {
    async fn release(mut self) {
        let Some(did) = self.did.take() else { return };
        release(self.accounts, &did).await;
    }

    fn forget(mut self) {
        self.did = None;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(did) = self.did.take() else { return };
        let accounts = self.accounts.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { release(&accounts, &did).await });
        }
    }
}

async fn release(accounts: &Accounts, did: &Did) {
    if let Err(error) = accounts.release(did).await {
        tracing::warn!(%error, %did, "a pending account holds its handle until the job frees it");
    }
}
