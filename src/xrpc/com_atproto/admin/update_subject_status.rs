//! `com.atproto.admin.updateSubjectStatus`: takes an account, a record or a blob down or up again; switches an account off or on.

use std::sync::Arc;

use atproto_data::{AtUri, Cid, Did, Map, Value};

use super::subject::{Subject, find_record, not_found};
use crate::account::{Account, Takedown};
use crate::app::App;
use crate::server::{Accepts, Auth, Input, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::com_atproto::server::activate_account::activation_error;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.updateSubjectStatus",
    Auth::Moderator,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

/// The longest reference of a takedown, in bytes.
const MAX_REFERENCE: usize = 1_000;

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let echoed = echo(&call.input);
    let subject = Subject::read(&call.input.take_required_object("subject")?)?;
    let takedown = takedown(&mut call.input)?;
    let deactivated = match call.input.take_optional_object("deactivated")? {
        Some(status) => Some(applied(&status)?),
        None => None,
    };
    if matches!(takedown, Some(Takedown::Applied(_))) && deactivated == Some(false) {
        return Err(XrpcError::invalid_request(
            "An account cannot be taken down and activated at the same time",
        ));
    }
    match subject {
        Subject::Account(did) => update_account(&app, &did, takedown, deactivated).await?,
        Subject::Record(uri) => update_record(&app, &uri, takedown).await?,
        Subject::Blob(did, cid) => update_blob(&app, &did, &cid, takedown).await?,
    }
    Ok(respond::data(&Value::Map(echoed)))
}

/// What of the input is given back: the subject and its takedown, as they came.
fn echo(input: &Input) -> Map {
    let given = |name: &str| input.get(name).map(|value| (name.to_owned(), value.clone()));
    ["subject", "takedown"].into_iter().filter_map(given).collect()
}

fn takedown(input: &mut Input) -> Result<Option<Takedown>, XrpcError> {
    let Some(status) = input.take_optional_object("takedown")? else {
        return Ok(None);
    };
    let reference = status.optional_str("ref")?;
    if reference.is_some_and(|reference| reference.len() > MAX_REFERENCE) {
        return Err(status.refused("The reference is too long", "ref"));
    }
    let reference = reference.map(str::to_owned);
    Ok(Some(if applied(&status)? {
        Takedown::Applied(reference)
    } else {
        Takedown::Lifted
    }))
}

fn applied(status: &Input) -> Result<bool, XrpcError> {
    status
        .optional_flag("applied")?
        .ok_or_else(|| status.missing("applied"))
}

async fn update_account(
    app: &Arc<App>,
    did: &Did,
    takedown: Option<Takedown>,
    deactivated: Option<bool>,
) -> Result<(), XrpcError> {
    let account = find_account(app, did).await?;
    let (accounts, account_id) = (app.accounts.clone(), account.account_id);
    if takedown.is_none() && deactivated.is_none() {
        // Nothing changes: a repair of what a relay thinks of the account.
        let told = app.repos.exclusively(
            account.account_id,
            async move { accounts.repeat_status(account_id).await },
        );
        return told
            .await
            .map_err(read_error)?
            .map_err(|error| XrpcError::internal(&error));
    }
    if let Some(takedown) = takedown {
        let done = app.repos.exclusively(account.account_id, async move {
            accounts.set_takedown(account_id, takedown).await
        });
        done.await
            .map_err(read_error)?
            .map_err(|error| XrpcError::internal(&error))?;
    }
    match deactivated {
        None => Ok(()),
        Some(true) => deactivate(app, &account).await,
        // As it is now that its takedown may have been lifted.
        Some(false) => activate(app, &find_account(app, did).await?).await,
    }
}

async fn find_account(app: &App, did: &Did) -> Result<Account, XrpcError> {
    let account = app.accounts.find_did(did).await;
    account
        .map_err(|error| XrpcError::internal(&error))?
        .ok_or_else(not_found)
}

async fn deactivate(app: &App, account: &Account) -> Result<(), XrpcError> {
    let (accounts, account_id) = (app.accounts.clone(), account.account_id);
    let done = app.repos.exclusively(account.account_id, async move {
        accounts.deactivate(account_id, None).await
    });
    done.await
        .map_err(read_error)?
        .map_err(|error| XrpcError::internal(&error))
}

async fn activate(app: &App, account: &Account) -> Result<(), XrpcError> {
    let activation = app.accounts.check_activation(account).await.map_err(activation_error)?;
    let accounts = app.accounts.clone();
    let done = app
        .repos
        .exclusively(account.account_id, async move { accounts.activate(activation).await });
    done.await.map_err(read_error)?.map_err(activation_error)
}

async fn update_record(app: &App, uri: &AtUri, takedown: Option<Takedown>) -> Result<(), XrpcError> {
    let (account, collection, rkey) = find_record(app, uri).await?.ok_or_else(not_found)?;
    let Some(takedown) = takedown else { return Ok(()) };
    let reference = app.accounts.takedown_reference(takedown);
    let found = app
        .repos
        .set_record_takedown(account.account_id, collection, rkey, reference)
        .await
        .map_err(read_error)?;
    if found { Ok(()) } else { Err(not_found()) }
}

async fn update_blob(app: &App, did: &Did, cid: &Cid, takedown: Option<Takedown>) -> Result<(), XrpcError> {
    let found = match takedown {
        Some(takedown) => {
            let reference = app.accounts.takedown_reference(takedown);
            app.blobs.set_takedown(did, cid, reference).await
        }
        None => app.blobs.takedown(did, cid).await.map(|found| found.is_some()),
    };
    if found.map_err(|error| XrpcError::internal(&error))? {
        Ok(())
    } else {
        Err(not_found())
    }
}
