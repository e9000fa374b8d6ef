//! The page that takes the code for choosing a new password, and the password.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};

use super::form::Form;
use super::page::{Field, Page, language};
use crate::account::{EmailTokenError, NewPasswordError, ResetPasswordError};
use crate::app::App;
use crate::mail::{Language, RESET_PASSWORD_PAGE};

struct Words {
    title: &'static str,
    no_code: &'static str,
    code: &'static str,
    password: &'static str,
    button: &'static str,
    done: &'static str,
    bad_code: &'static str,
    too_long: &'static str,
    trouble: &'static str,
}

const ENGLISH: Words = Words {
    title: "Choose a new password",
    no_code: "This takes a code. To get one by mail, say in the app that you forgot your password.",
    code: "Code from the mail",
    password: "New password",
    button: "Change password",
    done: "Your password is changed. You are logged out everywhere; log in again with the new one.",
    bad_code: "This code is wrong or no longer good. Ask for a new one in the app.",
    too_long: "This password is empty or too long: 256 characters at most.",
    trouble: "That did not work just now. Please try again in a moment.",
};

const GERMAN: Words = Words {
    title: "Neues Passwort wählen",
    no_code: "Dafür brauchst du einen Code. Er kommt per Mail, wenn du in der App sagst, dass du dein Passwort vergessen hast.",
    code: "Code aus der Mail",
    password: "Neues Passwort",
    button: "Passwort ändern",
    done: "Dein Passwort ist geändert. Du bist überall abgemeldet; melde dich mit dem neuen wieder an.",
    bad_code: "Dieser Code ist falsch oder gilt nicht mehr. Fordere in der App einen neuen an.",
    too_long: "Dieses Passwort ist leer oder zu lang: höchstens 256 Zeichen.",
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
    let words = words(language);
    let page = Page::new(words.title, language, app.mail.branding());
    let form = Form::of_query(query.as_deref());
    match form.text("code") {
        "" => with_form(page.words(words.no_code), words, ""),
        code => with_form(page, words, code),
    }
}

/// `POST`: changes the password of the account that the code was mailed to.
pub(super) async fn reset(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Page {
    let language = language(&headers);
    let words = words(language);
    let form = Form::of_body(body).await;
    let page = Page::new(words.title, language, app.mail.branding());
    let (code, password) = (form.text("code"), form.text("password"));
    match app.accounts.reset_password(code, password).await {
        Ok(()) => page.words(words.done),
        Err(ResetPasswordError::Token(EmailTokenError::Invalid | EmailTokenError::Expired)) => {
            with_form(page.status(StatusCode::BAD_REQUEST).words(words.bad_code), words, "")
        }
        Err(ResetPasswordError::Password(NewPasswordError::Empty | NewPasswordError::TooLong)) => {
            with_form(page.status(StatusCode::BAD_REQUEST).words(words.too_long), words, code)
        }
        Err(error) => {
            tracing::warn!(%error, "a password was not changed");
            page.status(StatusCode::SERVICE_UNAVAILABLE).words(words.trouble)
        }
    }
}

fn with_form(page: Page, words: &Words, code: &str) -> Page {
    let password = Field {
        label: words.password,
        name: "password",
        kind: "password",
        autocomplete: "new-password",
        value: "",
    };
    page.form(
        RESET_PASSWORD_PAGE,
        &[Field::code(words.code, code), password],
        words.button,
    )
}
