//! Creating an account for a DID that exists: how accounts move in from elsewhere, and how did:web accounts begin.

use atproto_data::{Did, SigningKey};
use sqlx::SqliteConnection;

use super::account_row::{AccountRow, Beginning};
use super::create::{CreateError, CreatedAccount, NewAccount};
use super::pending::{Wanted, check_free};
use super::{Accounts, Session, email, reserved_keys};
use crate::identity::HandleRefused;
use crate::identity::sealing::SealedKey;
use crate::observe::metrics;
use crate::session_scope::SessionScope;
use crate::store::StoreError;

impl Accounts {
    /// Creates an account for a DID whose owner asks for it. It is deactivated, and the network hears nothing of it, until its owner has
    /// brought its repo and its DID says that it is hosted here; a move that is given up is deleted after a month. Its signing key is the
    /// one that was reserved for the DID, else a new one.
    /// `handle_points_to` is the DID that the handle was found to point to; it counts where the handle is not one of this server.
    ///
    /// # Errors
    /// Why not; then nothing is left of it.
    pub async fn create_for_did(
        &self,
        did: Did,
        new: NewAccount,
        handle_points_to: Option<&Did>,
    ) -> Result<CreatedAccount, CreateError> {
        if !matches!(did.method(), "plc" | "web") {
            return Err(CreateError::DidMethod);
        }
        let email = self.check_rules(&new)?;
        match self.handle_refusal(&new.handle, Some(&did)).await? {
            Some(HandleRefused::UnsupportedDomain) if handle_points_to == Some(&did) => {}
            Some(HandleRefused::UnsupportedDomain) => return Err(CreateError::HandleNotProven),
            Some(refused) => return Err(refused.into()),
            None => {}
        }
        let email_key = email::key(&email);
        let invite_code = new.invite_code.filter(|code| !code.is_empty());
        let wanted = Wanted {
            handle: &new.handle,
            email_key: &email_key,
            invite_code: invite_code.as_deref(),
        };
        // Looked up before anything costly is done; decided in the transaction.
        let mut reader = self.0.store.read().await?;
        if is_here(&mut reader, &did).await? {
            return Err(CreateError::DidTaken(did));
        }
        check_free(&mut reader, &wanted).await?;
        drop(reader);

        let (key, public_key, sealed) = self.key_for(&did).await?;
        let now = self.0.clock.now_micros();
        let row = AccountRow {
            commit: self.first_commit(&did, &new.handle, &key, now),
            did: did.clone(),
            handle: new.handle,
            email,
            email_key,
            invite_code,
            password_hash: self.hash_password(new.password).await?,
            public_key,
            sealed,
            session: self.new_session(SessionScope::Access),
            beginning: Beginning::MovingIn,
            now,
        };
        let session = self.store_moving(row).await?;
        let document = self.did_document(&did).await;
        let document =
            document.inspect_err(|error| tracing::info!(%error, %did, "no DID document for a moving account"));
        Ok(CreatedAccount {
            session,
            document: document.ok().flatten(),
        })
    }

    /// The signing key that was reserved for the DID, else a new one: open, public and sealed.
    async fn key_for(&self, did: &Did) -> Result<(SigningKey, String, SealedKey), CreateError> {
        let reserved = reserved_keys::find(&mut *self.0.store.read().await?, did).await?;
        if let Some((public_key, sealed)) = reserved {
            return Ok((self.0.sealer.open(did, &sealed)?, public_key, sealed));
        }
        let key = self.new_signing_key();
        let sealed = self.0.sealer.seal(&*self.0.random, did, &key);
        let public_key = key.public_key().to_did_key();
        Ok((key, public_key, sealed))
    }

    async fn store_moving(&self, row: AccountRow) -> Result<Session, CreateError> {
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                if is_here(tx.connection(), &row.did).await? {
                    return Err(CreateError::DidTaken(row.did));
                }
                let wanted = Wanted {
                    handle: &row.handle,
                    email_key: &row.email_key,
                    invite_code: row.invite_code.as_deref(),
                };
                check_free(tx.connection(), &wanted).await?;
                reserved_keys::remove(tx.connection(), &row.did).await?;
                let account = row.insert(tx).await?;
                Ok((account, row.session))
            })
        });
        let (account, session) = stored.await?;
        metrics::ACCOUNTS_CREATED.increment(["moved_in"]);
        Ok(self.open_session(account, &session))
    }
}

/// Whether a DID has, or is about to have, an account or a key here.
async fn is_here(connection: &mut SqliteConnection, did: &Did) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM account WHERE did = $1 UNION ALL SELECT 1 FROM pending_account WHERE did = $1 \
               UNION ALL SELECT 1 FROM signing_key WHERE did = $1 LIMIT 1";
    let row = sqlx::query(sql).bind(did.as_str()).fetch_optional(connection).await?;
    Ok(row.is_some())
}
