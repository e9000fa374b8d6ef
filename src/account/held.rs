//! What a request that creates an account holds while it runs.

use atproto_data::Did;

use super::Accounts;

/// A pending row that a request holds. Dropped, because the client went away, it gives back what the row held.
pub(super) struct Held {
    accounts: Accounts,
    did: Option<Did>,
}

impl Held {
    pub(super) fn new(accounts: Accounts, did: Did) -> Held {
        Held {
            accounts,
            did: Some(did),
        }
    }

    /// Gives back at once: creating the account failed.
    pub(super) async fn release(mut self) {
        let Some(did) = self.did.take() else { return };
        release(&self.accounts, &did).await;
    }

    /// Gives nothing back: the account exists.
    pub(super) fn forget(mut self) {
        self.did = None;
    }
}

impl Drop for Held {
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
