//! The methods and the app behind them, as the server sees both.

use std::sync::Arc;

use atproto_data::{Did, Handle, Nsid};
use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;

use super::{Caller, METHODS, auth, proxy};
use crate::app::App;
use crate::server::health::Health;
use crate::server::router;
use crate::server::{Application, Auth, CountsOn, Limiter, OnSuccess, Site, XrpcError, XrpcResult};

/// All routes of the app: its methods, and the pages that people see.
pub(crate) fn router(app: &Arc<App>, pages: Router) -> Router {
    router::build(Arc::clone(app), METHODS, pages, app.request_ids())
}

impl Application for App {
    type Caller = Caller;

    fn site(&self) -> &Site {
        App::site(self)
    }

    fn health(&self) -> Health {
        App::health(self)
    }

    fn limiter(&self) -> &Arc<Limiter> {
        App::limiter(self)
    }

    fn counts_on<'c>(&self, caller: &'c Caller) -> CountsOn<'c> {
        match caller {
            Caller::Admin => CountsOn::Operator,
            Caller::Account(access) => CountsOn::Account(&access.account.did),
            Caller::Service(service) => CountsOn::Visitor(&service.did),
            Caller::Anonymous | Caller::Moderator(_) | Caller::Refresh(_) => CountsOn::Client,
        }
    }

    async fn authenticate(&self, auth: Auth, request: &Parts, nsid: &str) -> Result<Caller, XrpcError> {
        auth::authenticate(self, auth, request, nsid).await
    }

    fn on_success(&self, caller: &mut Caller) -> Option<OnSuccess> {
        let token_use = caller.take_token_use()?;
        Some(Box::new(move || token_use.spend()))
    }

    async fn fallback(self: Arc<Self>, nsid: Nsid, caller: Result<Caller, XrpcError>, request: Request) -> XrpcResult {
        proxy::pass_on(self, nsid, caller, request).await
    }

    async fn did_of_handle(&self, handle: &Handle) -> Result<Option<Did>, XrpcError> {
        let account = self.accounts.find_handle(handle).await;
        let account = account.map_err(|error| XrpcError::internal(&error))?;
        Ok(account
            .filter(|account| account.status.is_active())
            .map(|account| account.did))
    }
}
