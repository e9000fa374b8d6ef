//! Deleting accounts: those whose date has come, and what deleted ones left behind.

use std::sync::Arc;

use crate::account::{Account, Deletion, Remains};
use crate::app::App;
use crate::repo::RepoError;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Deletes accounts that their owners switched off with a date that has passed.
pub(super) async fn delete_due(app: Arc<App>) -> Result<(), Failure> {
    for account in app.accounts.due_for_deletion().await? {
        if app.stopping().is_cancelled() {
            return Ok(());
        }
        if delete(&app, &account, Deletion::Due).await? {
            tracing::info!(did = %account.did, "deleted an account whose date has come");
        }
    }
    Ok(())
}

/// Deletes an account; what it leaves behind is removed in the background. Says whether there was anything to delete.
pub(crate) async fn delete(app: &Arc<App>, account: &Account, deletion: Deletion) -> Result<bool, Failure> {
    let (accounts, account_id) = (app.accounts.clone(), account.account_id);
    // No write may be under way: the deletion is the account's last event.
    let deleted = app.repos.exclusively(account.account_id, async move {
        accounts.delete(account_id, deletion).await
    });
    let deleted = match deleted.await {
        // Somebody else was first.
        Err(RepoError::NotFound) => false,
        deleted => deleted??,
    };
    if deleted {
        app.repos.forget_signing_key(&account.did).await;
        app.accounts.forget_did_document(&account.did).await;
        let remover = Arc::clone(app);
        app.tasks().spawn(async move {
            if let Err(error) = remove_remains(remover).await {
                tracing::warn!(error, "what a deleted account left behind is removed later");
            }
        });
    }
    Ok(deleted)
}

/// Removes what deleted accounts left behind, until the server stops.
pub(super) async fn remove_remains(app: Arc<App>) -> Result<(), Failure> {
    for remains in app.accounts.remains().await? {
        remove(&app, &remains).await?;
    }
    Ok(())
}

async fn remove(app: &App, remains: &Remains) -> Result<(), Failure> {
    app.blobs.release_account(&remains.did).await?;
    let stop = app.stopping();
    while app.sequencer.purge_some_before(remains.event).await? {
        if stop.is_cancelled() {
            return Ok(());
        }
    }
    while app.repos.purge_some(remains.repo_id).await? {
        if stop.is_cancelled() {
            return Ok(());
        }
    }
    Ok(app.accounts.forget_remains(remains.repo_id).await?)
}
