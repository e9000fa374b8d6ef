//! `com.atproto.server.requestEmailConfirmation`: mails a code that shows whose the address is.

use crate::app::App;
use crate::mail::Code;
use crate::server::auth::{OAuth, Status};
use crate::server::{Accepts, Access, Auth, Method};
use crate::xrpc::limits;
use crate::xrpc::mailed_code::mail_code;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.requestEmailConfirmation",
    Auth::Access(
        Access::STANDARD
            .status(Status::NotTakendown)
            .oauth(OAuth::Scope("account:email?action=manage")),
    ),
    Accepts::Nothing,
    |app, call| Box::pin(mail_code(app, call, Code::ConfirmEmail)),
)
.limited(limits::REQUEST_EMAIL_CONFIRMATION);
