//! Creating an account: pending row → genesis operation at the PLC directory → account, empty repo and events in one transaction.

use super::account_row::{AccountRow, Beginning};
use super::genesis::FirstCommit;
use super::held::Held;
use super::password::{self, PasswordError};
use super::pending::{self, Pending, Wanted};
use super::{Accounts, EmailRefused, InviteError, Session, email};
use crate::identity::{HandleRefused, PlcError, SealError};
use crate::observe::metrics;
use crate::random;
use crate::session_scope::SessionScope;
use crate::store::StoreError;
use crate::to_the_end::ToTheEnd;
use atproto_data::crypto::Curve;
use atproto_data::{Did, Handle, PublicKey, SigningKey};
use atproto_plc::{State, UnsignedOperation};

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
    /// The e-mail address is none that can be had here.
    #[error(transparent)]
    EmailRefused(#[from] EmailRefused),
    /// The password is empty.
    #[error("Password too short.")]
    PasswordEmpty,
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
    /// The handle is not of this server and does not point to the DID that is brought along.
    #[error("External handle did not resolve to DID")]
    HandleNotProven,
    /// The DID that is brought along is of a method that the protocol does not use.
    #[error("Only DIDs of the methods plc and web can have an account")]
    DidMethod,
    /// The DID that is brought along has an account here.
    #[error("Account already exists: {0}")]
    DidTaken(Did),
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
    /// Creates an account with a new DID and opens its first session.
    ///
    /// # Errors
    /// Why not; then no account exists, the invite is unused, and what the PLC directory may know of it is taken up by the next try
    /// or ended by the job.
    pub async fn create(&self, new: NewAccount) -> Result<CreatedAccount, CreateError> {
        let email = self.check_rules(&new)?;
        if let Some(refused) = self.handle_refusal(&new.handle, None).await? {
            return Err(refused.into());
        }
        if new
            .recovery_key
            .as_deref()
            .is_some_and(|key| PublicKey::from_did_key(key).is_err())
        {
            return Err(CreateError::RecoveryKey);
        }
        let (pending, held) = self.hold(new.clone(), email.clone()).await?;
        let did = pending.did.clone();
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
        Ok(CreatedAccount {
            session,
            document: document.ok().flatten(),
        })
    }

    /// Checks password, invite and e-mail address as far as that needs no database; gives the address as it is stored.
    pub(super) fn check_rules(&self, new: &NewAccount) -> Result<String, CreateError> {
        match new.password.as_deref() {
            Some("") => return Err(CreateError::PasswordEmpty),
            Some(password) if !password::can_be_chosen(password) => return Err(CreateError::PasswordTooLong),
            Some(_) | None => {}
        }
        if self.0.settings.invite_required && new.invite_code.as_deref().unwrap_or_default().is_empty() {
            return Err(CreateError::Invite(InviteError::Missing));
        }
        let email = new
            .email
            .clone()
            .filter(|email| !email.is_empty())
            .ok_or(CreateError::EmailMissing)?;
        Ok(email::accept(&email)?)
    }

    /// [`Accounts::reserve`], to its end: if the client goes away meanwhile, the row is stored all the same, and then given back.
    async fn hold(&self, new: NewAccount, email: String) -> Result<(Pending, Held), CreateError> {
        let accounts = self.clone();
        let reserved = ToTheEnd::new(async move {
            let pending = accounts.reserve(&new, &email).await?;
            let held = Held::new(accounts, pending.did.clone());
            Ok((pending, held))
        });
        reserved.await
    }

    /// First transaction: the pending row.
    async fn reserve(&self, new: &NewAccount, email: &str) -> Result<Pending, CreateError> {
        let email_key = email::key(email);
        let invite_code = new.invite_code.clone().filter(|code| !code.is_empty());
        let wanted = Wanted {
            handle: &new.handle,
            email_key: &email_key,
            invite_code: invite_code.as_deref(),
        };
        // Looked up before anything costly is done; decided in the transaction.
        pending::check_free(&mut *self.0.store.read().await?, &wanted).await?;

        let row = self.prepare(new, email_key, invite_code);
        let now = self.0.clock.now_micros();
        self.0
            .store
            .change(move |tx| Box::pin(pending::reserve(tx.connection(), row, now)))
            .await
    }

    /// A new signing key and the genesis operation of its DID.
    fn prepare(&self, new: &NewAccount, email_key: String, invite_code: Option<String>) -> Pending {
        let settings = &self.0.settings;
        let signing_key = self.new_signing_key();
        let public_key = signing_key.public_key().to_did_key();
        let rotation_keys = self.rotation_keys(new.recovery_key.as_deref());
        let state = State::for_account(&public_key, &new.handle, &settings.public_url, rotation_keys);
        let operation = UnsignedOperation::genesis(state).sign(&settings.plc_rotation_key);
        let did = operation.did_of_genesis();
        let sealed = self.0.sealer.seal(&*self.0.random, &did, &signing_key);
        Pending {
            did,
            handle: new.handle.clone(),
            email_key,
            invite_code,
            public_key,
            sealed,
            operation,
        }
    }

    /// The rotation keys of an account as `did:key`s, the most powerful first: its owner's, the operator's for recovery, the server's.
    pub(super) fn rotation_keys(&self, of_owner: Option<&str>) -> Vec<String> {
        let settings = &self.0.settings;
        let own = settings.plc_rotation_key.public_key().to_did_key();
        let mut keys: Vec<String> = Vec::new();
        for key in [of_owner, settings.recovery_did_key.as_deref(), Some(own.as_str())]
            .into_iter()
            .flatten()
        {
            if !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
        }
        keys
    }

    pub(super) fn new_signing_key(&self) -> SigningKey {
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
        let password_hash = self.hash_password(password).await?;
        self.submit_genesis(&pending).await?;
        self.finish(pending, email, password_hash).await
    }

    /// The hash of a new account's password, if it has one.
    pub(super) async fn hash_password(&self, password: Option<String>) -> Result<Option<String>, PasswordError> {
        match password.filter(|password| !password.is_empty()) {
            Some(password) => self.0.passwords.hash(&password).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes sure that the directory has the genesis operation. An error may hide a success: what counts is the directory's last
    /// operation.
    async fn submit_genesis(&self, pending: &Pending) -> Result<(), PlcError> {
        let Err(error) = self.0.plc.submit(&pending.did, &pending.operation).await else {
            return Ok(());
        };
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
        let commit = self.first_commit(&pending.did, &pending.handle, &key, now);
        let row = AccountRow {
            did: pending.did,
            handle: pending.handle,
            email,
            email_key: pending.email_key,
            invite_code: pending.invite_code,
            password_hash,
            public_key: pending.public_key,
            sealed: pending.sealed,
            commit,
            session: self.new_session(SessionScope::Access),
            beginning: Beginning::Active,
            now,
        };
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                // The job may have taken the pending row away meanwhile.
                if !pending::finish(tx.connection(), &row.did).await? {
                    return Err(CreateError::Interrupted);
                }
                let account = row.insert(tx).await?;
                Ok::<_, CreateError>((account, row.session))
            })
        });
        let (account, session) = stored.await?;
        metrics::ACCOUNTS_CREATED.increment(["new"]);
        Ok(self.open_session(account, &session))
    }

    /// The empty repo of a new account.
    pub(super) fn first_commit(&self, did: &Did, handle: &Handle, key: &SigningKey, now: i64) -> FirstCommit {
        let clock_id = u16::from_be_bytes(random::bytes(&*self.0.random));
        FirstCommit::sign(did, handle, key, now, clock_id)
    }
}
