//! How pages look, and what browsers may do with them.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::html::escape;
use crate::mail::{Branding, Language};

/// Nothing is loaded, run or framed, and forms go nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                                       frame-ancestors 'none'";
const STYLE: &str = "body{font-family:system-ui,sans-serif;max-width:26rem;margin:10vh auto;padding:0 1rem;line-height:1.5;\
                     color-scheme:light dark}label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;\
                     font:inherit;padding:.5rem;margin-top:.25rem}button{font:inherit;padding:.5rem 1rem}";

/// An input of a form.
pub(super) struct Field<'f> {
    /// What a person reads.
    pub(super) label: &'f str,
    /// Its name in the form.
    pub(super) name: &'f str,
    /// Its `type` in HTML.
    pub(super) kind: &'f str,
    /// The browser's hint for filling it in.
    pub(super) autocomplete: &'f str,
    /// What stands in it already.
    pub(super) value: &'f str,
}

impl<'f> Field<'f> {
    /// For a code that was mailed.
    pub(super) fn code(label: &'f str, value: &'f str) -> Field<'f> {
        Field {
            label,
            name: "code",
            kind: "text",
            autocomplete: "one-time-code",
            value,
        }
    }
}

/// A page in the making.
pub(super) struct Page {
    status: StatusCode,
    language: Language,
    title: String,
    service_name: String,
    body: String,
}

impl Page {
    pub(super) fn new(title: &str, language: Language, branding: &Branding) -> Page {
        Page {
            status: StatusCode::OK,
            language,
            title: escape(title),
            service_name: escape(&branding.service_name),
            body: String::new(),
        }
    }

    /// With another status than 200.
    pub(super) fn status(mut self, status: StatusCode) -> Page {
        self.status = status;
        self
    }

    /// With some more words.
    pub(super) fn words(mut self, words: &str) -> Page {
        let _ = write!(self.body, "<p>{}</p>", escape(words));
        self
    }

    /// With a form that is sent to the page's own path.
    pub(super) fn form(mut self, path: &str, fields: &[Field<'_>], button: &str) -> Page {
        let _ = write!(self.body, "<form method=\"post\" action=\"{path}\">");
        for field in fields {
            let _ = write!(
                self.body,
                "<label>{}<input name=\"{}\" type=\"{}\" autocomplete=\"{}\" value=\"{}\" required></label>",
                escape(field.label),
                field.name,
                field.kind,
                field.autocomplete,
                escape(field.value)
            );
        }
        let _ = write!(self.body, "<button>{}</button></form>", escape(button));
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let Page {
            status,
            language,
            title,
            service_name,
            body,
        } = self;
        let html = format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{title} – {service_name}</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
             <body><h1>{title}</h1>{body}<p><small>{service_name}</small></p></body></html>",
            language.tag()
        );
        // The address has a code in it: it must not be kept or told to anybody.
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        (status, headers, html).into_response()
    }
}

/// The language that a browser asks for.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let value = headers.get(header::ACCEPT_LANGUAGE);
    Language::preferred(value.and_then(|value| value.to_str().ok()))
}
