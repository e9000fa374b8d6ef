//! Fields that are missing, of another kind or too long.

use serde_json::{Value, json};

use super::table::{Field, Takes};
use super::{pairs, try_every_method};
use crate::Answer;
use crate::harness::password;

/// Longer than anything may be, and short enough to be read.
const OVERLONG: usize = 100_000;
/// Where a long text is as good as any, or as good as any that is unknown.
const MAY_BE_LONG: [(&str, &str); 8] = [
    ("com.atproto.server.createInviteCodes", "forAccounts"),
    ("com.atproto.server.requestPasswordReset", "email"),
    ("com.atproto.server.revokeAppPassword", "name"),
    ("com.atproto.admin.disableAccountInvites", "note"),
    ("com.atproto.admin.enableAccountInvites", "note"),
    ("com.atproto.admin.sendEmail", "subject"),
    ("com.atproto.admin.sendEmail", "content"),
    ("com.atproto.admin.sendEmail", "comment"),
];

/// Values that are none of the field's.
fn wrong(field: Field) -> Vec<Value> {
    let mut values = vec![
        json!(7),
        json!(1.5),
        json!(true),
        json!(null),
        json!(["x"]),
        json!([7]),
        json!({"x": 1}),
        json!("x y"),
        json!([[]]),
    ];
    values.retain(|value| match field {
        Field::Text => !value.is_string(),
        Field::Texts => *value != json!(["x"]),
        Field::Number => *value != json!(7),
        Field::Flag => !value.is_boolean(),
        Field::Object => !value.is_object(),
        Field::Writes => *value != json!([]),
        Field::Any => false,
        _ => true,
    });
    values
}

#[tokio::test]
async fn fields_that_are_missing_or_of_another_kind_are_refused() {
    const INVALID: &[&str] = &["InvalidRequest"];
    let (_app, callers) = try_every_method(async |app, callers, findings, (nsid, who, takes)| {
        let (Takes::Parameters(fields) | Takes::Input(fields)) = takes else {
            return;
        };
        for &(name, field) in fields {
            let (needed, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
            let mut inputs = Vec::new();
            if needed {
                let mut input = callers.input(fields);
                input.remove(name);
                inputs.push(input);
            }
            for value in wrong(field) {
                // Parameters are texts: what they look like is all there is.
                let is_text = matches!(takes, Takes::Parameters(_));
                if is_text
                    && (field == Field::Text || !(value.is_string() || field == Field::Number && value == json!(1.5)))
                {
                    continue;
                }
                let mut input = callers.input(fields);
                input.insert(name.to_owned(), value);
                inputs.push(input);
            }
            for input in inputs {
                let case = format!(
                    "{nsid} with {name} {}",
                    input.get(name).map_or("missing".to_owned(), Value::to_string)
                );
                let request = match takes {
                    Takes::Parameters(_) => app.api.get(nsid, &[]).query(&pairs(&input)),
                    _ => app.api.post(nsid).json(&input),
                };
                findings
                    .expect(case, callers.authorize(who, request), 400, INVALID)
                    .await;
            }
        }
    })
    .await;
    callers.account.session().await.ok();
}

#[tokio::test]
async fn texts_that_are_too_long_do_no_harm() {
    let (app, callers) = try_every_method(async |app, callers, findings, (nsid, who, takes)| {
        let Takes::Input(fields) = takes else { return };
        for &(name, field) in fields {
            let name = name.trim_start_matches('!');
            let long = match field {
                Field::Text | Field::Rkey => json!("x".repeat(OVERLONG)),
                Field::Did => json!(format!("did:web:{}", "x".repeat(OVERLONG))),
                Field::Nsid => json!(format!("com.example.{}", "x".repeat(OVERLONG))),
                Field::Writes => json!(vec![json!({}); OVERLONG / 4]),
                Field::Handle | Field::Id => json!(format!("{}.test", "x".repeat(OVERLONG))),
                Field::Texts => json!(vec!["x"; OVERLONG / 4]),
                Field::Dids => json!(vec![callers.account.did.as_str(); OVERLONG / 40]),
                _ => continue,
            };
            let mut input = callers.input(fields);
            input.insert(name.to_owned(), long);
            let request = callers.authorize(who, app.api.post(nsid).json(&input));
            let answer = Answer::to(request).await.unwrap();
            let is_good = answer.status == 200 && MAY_BE_LONG.contains(&(nsid, name));
            if !is_good && !(400..500).contains(&answer.status) {
                findings.0.push(format!(
                    "{nsid} with a long {name}: {} {:.100}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    })
    .await;
    let login = json!({"identifier": callers.account.handle, "password": password("caller")});
    app.api.procedure("com.atproto.server.createSession", &login).await.ok();
}
