//! Credentials of another kind.

use reqwest::RequestBuilder;

use super::table::Who;
use super::{complete, try_every_method};
use crate::harness::ADMIN_PASSWORD;

#[tokio::test]
async fn credentials_of_another_kind_are_refused() {
    let (_app, callers) = try_every_method(async |app, callers, findings, (nsid, who, takes)| {
        let complete = || complete(app, callers, nsid, takes);
        let nothing = complete();
        let garbage = complete().bearer_auth("garbage");
        let unknown = complete().header("authorization", "Digest x");
        let access = complete().bearer_auth(&callers.account.access);
        let refresh = complete().bearer_auth(&callers.account.refresh);
        let admin = complete().basic_auth("admin", Some(ADMIN_PASSWORD));
        let cases: Vec<(&str, RequestBuilder, u16, &str)> = match who {
            Who::Anybody => Vec::new(),
            Who::Newcomer => vec![
                ("garbage", garbage, 401, "BadJwt"),
                ("an access token", access, 401, "BadJwtType"),
                ("the admin password", admin, 401, "AuthenticationRequired"),
            ],
            Who::Reader => vec![
                ("garbage", garbage, 400, "InvalidToken"),
                ("an unknown scheme", unknown, 400, "InvalidToken"),
                ("a refresh token", refresh, 400, "InvalidToken"),
                (
                    "a wrong password",
                    complete().basic_auth("admin", Some("x")),
                    401,
                    "AuthenticationRequired",
                ),
            ],
            Who::Account | Who::Owner => vec![
                ("nothing", nothing, 401, "AuthMissing"),
                ("garbage", garbage, 400, "InvalidToken"),
                ("an unknown scheme", unknown, 400, "InvalidToken"),
                ("a refresh token", refresh, 400, "InvalidToken"),
                ("the admin password", admin, 400, "InvalidToken"),
            ],
            Who::Refresher => vec![
                ("nothing", nothing, 401, "AuthMissing"),
                ("garbage", garbage, 400, "InvalidToken"),
                ("an access token", access, 400, "InvalidToken"),
                ("the admin password", admin, 401, "AuthMissing"),
            ],
            Who::Admin | Who::Moderator => vec![
                ("nothing", nothing, 401, "AuthenticationRequired"),
                (
                    "a wrong password",
                    complete().basic_auth("admin", Some("x")),
                    401,
                    "AuthenticationRequired",
                ),
                (
                    "no password",
                    complete().basic_auth("admin", Some("")),
                    401,
                    "AuthenticationRequired",
                ),
                (
                    "another user",
                    complete().basic_auth("root", Some(ADMIN_PASSWORD)),
                    401,
                    "AuthenticationRequired",
                ),
            ],
        };
        for (case, request, status, error) in cases {
            findings
                .expect(format!("{nsid} with {case}"), request, status, &[error])
                .await;
        }
        match who {
            Who::Owner => {
                let request = complete().bearer_auth(&callers.app_password);
                let case = format!("{nsid} with an app password");
                findings.expect(case, request, 400, &["InvalidToken"]).await;
            }
            Who::Admin => {
                let request = complete().bearer_auth(&callers.account.access);
                let case = format!("{nsid} with an access token");
                findings.expect(case, request, 401, &["AuthenticationRequired"]).await;
            }
            Who::Moderator => {
                let request = complete().bearer_auth(&callers.account.access);
                let case = format!("{nsid} with an access token");
                findings
                    .expect(case, request, 401, &["BadJwtType", "UntrustedIss"])
                    .await;
            }
            Who::Anybody | Who::Newcomer | Who::Reader | Who::Account | Who::Refresher => {}
        }
    })
    .await;
    callers.account.session().await.ok();
}
