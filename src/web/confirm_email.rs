//! The page that takes the code which confirms an e-mail address. Looking at it changes nothing: mail scanners follow links.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};

use super::form::Form;
use super::page::{Field, Page, language};
use crate::account::EmailTokenError;
use crate::app::App;
use crate::mail::{CONFIRM_EMAIL_PAGE, Language};

struct Words {
    title: &'static str,
    code: &'static str,
    button: &'static str,
    done: &'static str,
    bad_code: &'static str,
    trouble: &'static str,
}

const ENGLISH: Words = Words {
    title: "Confirm your email address",
    code: "Code from the mail",
    button: "Confirm",
    done: "Your email address is confirmed. You can close this page.",
    bad_code: "This code is wrong or no longer good. Ask for a new one in the app.",
    trouble: "That did not work just now. Please try again in a moment.",
};

const GERMAN: Words = Words {
    title: "E-Mail-Adresse bestätigen",
    code: "Code aus der Mail",
    button: "Bestätigen",
    done: "Deine E-Mail-Adresse ist bestätigt. Du kannst diese Seite schließen.",
    bad_code: "Dieser Code ist falsch oder gilt nicht mehr. Fordere in der App einen neuen an.",
    trouble: "Das hat gerade nicht geklappt. Bitte versuche es gleich noch einmal.",
};

fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

/// `GET`: the form.
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Page {
    let language = language(&headers);
    let page = Page::new(words(language).title, language, app.mail.branding());
    with_form(page, words(language), Form::of_query(query.as_deref()).text("code"))
}

/// `POST`: confirms the address of the account that the code was mailed to.
pub(super) async fn confirm(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Page {
    let language = language(&headers);
    let words = words(language);
    let form = Form::of_body(body).await;
    let page = Page::new(words.title, language, app.mail.branding());
    match app.accounts.confirm_email_by_code(form.text("code")).await {
        Ok(()) => page.words(words.done),
        Err(EmailTokenError::Invalid | EmailTokenError::Expired) => {
            with_form(page.status(StatusCode::BAD_REQUEST).words(words.bad_code), words, "")
        }
        Err(EmailTokenError::Store(error)) => {
            tracing::warn!(%error, "an e-mail address was not confirmed");
            page.status(StatusCode::SERVICE_UNAVAILABLE).words(words.trouble)
        }
    }
}

fn with_form(page: Page, words: &Words, code: &str) -> Page {
    page.form(CONFIRM_EMAIL_PAGE, &[Field::code(words.code, code)], words.button)
}
