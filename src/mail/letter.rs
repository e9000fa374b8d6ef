//! Letters: what a person reads, as text and as HTML.

use serde::{Deserialize, Serialize};

use super::language::Language;
use crate::html::escape;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// A letter to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// How the server presents itself in mail.
#[derive(Clone, Debug)]
pub struct Branding {
    /// Its name (`PDS_SERVICE_NAME`).
    pub service_name: String,
    /// Where its pages are.
    pub public_url: String,
    /// Its home page (`PDS_HOME_URL`).
    pub home_url: Option<String>,
    /// Its logo (`PDS_LOGO_URL`).
    pub logo_url: Option<String>,
    /// Where people get help (`PDS_SUPPORT_URL`).
    pub support_url: Option<String>,
    /// CSS colour of links (`PDS_PRIMARY_COLOR`).
    pub primary_color: Option<String>,
    /// Whether the mail that confirms an address links to the page that takes its code (`PDS_EMAIL_DISABLE_CONFIRMATION_LINK`).
    pub confirmation_link: bool,
}

/// A part of a letter.
pub(super) enum Part<'p> {
    /// Plain words.
    Paragraph(&'p str),
    /// Something to be typed in.
    Code(&'p str),
    /// Words that lead to a page.
    Link(&'p str, &'p str),
}

impl Letter {
    /// A letter in the server's layout. Nothing in it is markup: what somebody wrote is shown as they wrote it.
    pub(super) fn new(to: &str, subject: &str, language: Language, branding: &Branding, parts: &[Part<'_>]) -> Letter {
        let subject: String = subject
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .take(MAX_SUBJECT)
            .collect();
        Letter {
            to: to.to_owned(),
            text: text(&subject, branding, parts),
            html: html(&subject, language, branding, parts),
            subject,
        }
    }

    /// What a moderator writes to a user: lines of plain text.
    pub fn from_moderator(to: &str, subject: &str, content: &str, branding: &Branding) -> Letter {
        let parts: Vec<Part<'_>> = content.lines().map(Part::Paragraph).collect();
        Letter::new(to, subject, Language::default(), branding, &parts)
    }
}

fn text(title: &str, branding: &Branding, parts: &[Part<'_>]) -> String {
    let mut text = format!("{title}\n\n");
    for part in parts {
        match part {
            Part::Paragraph(words) => text.push_str(words),
            Part::Code(code) => text.push_str(code),
            Part::Link(words, url) => {
                text.push_str(words);
                text.push(' ');
                text.push_str(url);
            }
        }
        text.push_str("\n\n");
    }
    text.push_str("-- \n");
    text.push_str(&branding.service_name);
    for url in [&branding.home_url, &branding.support_url].into_iter().flatten() {
        text.push('\n');
        text.push_str(url);
    }
    text.push('\n');
    text
}

fn html(title: &str, language: Language, branding: &Branding, parts: &[Part<'_>]) -> String {
    let name = escape(&branding.service_name);
    let color = branding.primary_color.as_deref().map_or("#0a66d8".to_owned(), escape);
    let link =
        |url: &str, words: &str| format!("<p><a href=\"{}\" style=\"color:{color}\">{words}</a></p>", escape(url));
    let mut body = Vec::new();
    if let Some(url) = &branding.logo_url {
        let url = escape(url);
        body.push(format!("<p><img src=\"{url}\" alt=\"{name}\" height=\"48\"></p>"));
    }
    body.push(format!("<h1 style=\"font-size:20px\">{}</h1>", escape(title)));
    for part in parts {
        body.push(match part {
            Part::Paragraph(words) => format!("<p>{}</p>", escape(words)),
            Part::Code(code) => format!(
                "<p><code style=\"font-size:24px;letter-spacing:2px\">{}</code></p>",
                escape(code)
            ),
            Part::Link(words, url) => link(url, &escape(words)),
        });
    }
    body.push("<hr>".to_owned());
    match &branding.home_url {
        Some(url) => body.push(link(url, &name)),
        None => body.push(format!("<p>{name}</p>")),
    }
    if let Some(url) = &branding.support_url {
        body.push(link(url, &escape(url)));
    }
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"></head>\
         <body style=\"font-family:sans-serif;max-width:560px;margin:24px auto;line-height:1.5\">{}</body></html>",
        language.tag(),
        body.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::testing::branding;

    #[test]
    fn what_a_moderator_writes_is_no_markup_and_no_header() {
        let letter = Letter::from_moderator(
            "a@b.test",
            "Hello\r\nBcc: c@d.test",
            "Hello <b>Carol</b>\n{{handle}} <script>alert('x')</script>",
            &branding(),
        );
        assert_eq!(letter.subject, "Hello  Bcc: c@d.test");
        assert!(
            letter.html.contains("<p>Hello &lt;b&gt;Carol&lt;/b&gt;</p>"),
            "{}",
            letter.html
        );
        assert!(
            letter
                .html
                .contains("{{handle}} &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;")
        );
        assert!(letter.text.contains("Hello <b>Carol</b>\n"), "{}", letter.text);
    }

    #[test]
    fn a_letter_bears_the_servers_name_and_links() {
        let branding = Branding {
            service_name: "A & B".to_owned(),
            home_url: Some("https://pds.test/\"x".to_owned()),
            logo_url: Some("https://pds.test/logo.png".to_owned()),
            support_url: Some("https://pds.test/help".to_owned()),
            ..branding()
        };
        let letter = Letter::new(
            "a@b.test",
            "T",
            Language::German,
            &branding,
            &[Part::Code("ABCDE-FGHIJ")],
        );
        for expected in [
            "lang=\"de\"",
            "alt=\"A &amp; B\"",
            "src=\"https://pds.test/logo.png\"",
            "href=\"https://pds.test/&quot;x\"",
            ">ABCDE-FGHIJ</code>",
            "href=\"https://pds.test/help\"",
        ] {
            assert!(letter.html.contains(expected), "{expected} in {}", letter.html);
        }
        assert!(
            letter
                .text
                .contains("\n\nABCDE-FGHIJ\n\n-- \nA & B\nhttps://pds.test/\"x\nhttps://pds.test/help\n"),
            "{}",
            letter.text
        );
    }
}
