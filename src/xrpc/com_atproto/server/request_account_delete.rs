//! `com.atproto.server.requestAccountDelete`: mails a code for deleting the caller's account.

use crate::app::App;
use crate::mail::Code;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, Method};
use crate::xrpc::limits;
use crate::xrpc::mailed_code::mail_code;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.requestAccountDelete",
    Auth::Access(Access::FULL.status(Status::NotTakendown)),
    Accepts::Nothing,
    |app, call| Box::pin(mail_code(app, call, Code::DeleteAccount)),
)
.limited(limits::REQUEST_ACCOUNT_DELETE);
