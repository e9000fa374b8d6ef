//! `com.atproto.identity.requestPlcOperationSignature`: mails a code for changing the caller's DID.

use crate::app::App;
use crate::mail::Code;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, Method};
use crate::session_scope::SessionScope;
use crate::xrpc::limits;
use crate::xrpc::mailed_code::mail_code;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.requestPlcOperationSignature",
    Auth::Access(
        Access::FULL
            .or(SessionScope::Takendown)
            .oauth(OAuth::Scope("identity:*")),
    ),
    Accepts::Nothing,
    |app, call| Box::pin(mail_code(app, call, Code::PlcOperation)),
)
.limited(limits::REQUEST_PLC_OPERATION_SIGNATURE);
