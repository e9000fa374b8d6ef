//! What the letters with codes say, in each language.

use super::language::Language;
use super::letter::{Branding, Letter, Part};

/// The paths of this server's pages that take codes.
pub const CONFIRM_EMAIL_PAGE: &str = "/account/confirm-email";
/// As [`CONFIRM_EMAIL_PAGE`], for a new password.
pub const RESET_PASSWORD_PAGE: &str = "/account/reset-password";

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Showing that the address is the account's.
    ConfirmEmail,
    /// Changing the address.
    UpdateEmail,
    /// Choosing another password.
    ResetPassword,
    /// Deleting the account.
    DeleteAccount,
    /// Changing the account's DID.
    PlcOperation,
    /// Logging in.
    LogIn,
}

impl Code {
    /// Every purpose.
    pub const ALL: [Code; 6] = [
        Code::ConfirmEmail,
        Code::UpdateEmail,
        Code::ResetPassword,
        Code::DeleteAccount,
        Code::PlcOperation,
        Code::LogIn,
    ];

    /// Its name, such as `confirm-email`.
    pub fn name(self) -> &'static str {
        match self {
            Code::ConfirmEmail => "confirm-email",
            Code::UpdateEmail => "update-email",
            Code::ResetPassword => "reset-password",
            Code::DeleteAccount => "delete-account",
            Code::PlcOperation => "plc-operation",
            Code::LogIn => "log-in",
        }
    }
}

/// A name that no purpose has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("codes are for: confirm-email, update-email, reset-password, delete-account, plc-operation, log-in")]
pub struct UnknownPurpose;

impl std::str::FromStr for Code {
    type Err = UnknownPurpose;

    fn from_str(name: &str) -> Result<Code, UnknownPurpose> {
        Code::ALL
            .into_iter()
            .find(|code| code.name() == name)
            .ok_or(UnknownPurpose)
    }
}

/// A letter's subject and what it says before and after the code.
struct Words {
    subject: &'static str,
    before: &'static str,
    after: &'static str,
    /// What leads to a page that takes the code, where there is one.
    link: Option<&'static str>,
}

impl Code {
    /// The letter that brings a code to the owner of the account `handle`.
    pub fn letter(self, to: &str, handle: &str, code: &str, language: Language, branding: &Branding) -> Letter {
        let words = match language {
            Language::English => self.in_english(),
            Language::German => self.in_german(),
        };
        let before = words.before.replace("{handle}", &format!("@{handle}"));
        let page = self
            .page(branding)
            .map(|path| format!("{}{path}?code={code}", branding.public_url));
        let mut parts = vec![Part::Paragraph(&before), Part::Code(code)];
        if let Some((link, page)) = words.link.zip(page.as_deref()) {
            parts.push(Part::Link(link, page));
        }
        parts.push(Part::Paragraph(words.after));
        Letter::new(to, words.subject, language, branding, &parts)
    }

    /// The page of this server that takes the code, where there is one.
    fn page(self, branding: &Branding) -> Option<&'static str> {
        match self {
            Code::ConfirmEmail if branding.confirmation_link => Some(CONFIRM_EMAIL_PAGE),
            Code::ResetPassword => Some(RESET_PASSWORD_PAGE),
            _ => None,
        }
    }

    fn in_english(self) -> Words {
        let (subject, before, after) = match self {
            Code::ConfirmEmail => (
                "Email Confirmation",
                "To show that this address belongs to {handle}, type this code into the app. It is good for 15 minutes.",
                "If you did not ask for it, you need do nothing.",
            ),
            Code::UpdateEmail => (
                "Email Update Requested",
                "To change the email settings of {handle}, type this code into the app. It is good for 15 minutes.",
                "If you did not ask for it, somebody else may be logged in to your account: change your password.",
            ),
            Code::ResetPassword => (
                "Password Reset Requested",
                "To choose a new password for {handle}, type this code into the app. It is good for 15 minutes.",
                "If you did not ask for it, you need do nothing: your password stays as it is.",
            ),
            Code::DeleteAccount => (
                "Account Deletion Requested",
                "To delete {handle} with everything in it, for good, type this code and your password into the app. \
                 It is good for 15 minutes.",
                "If you did not ask for it, somebody else may be logged in to your account: change your password now.",
            ),
            Code::PlcOperation => (
                "PLC Update Operation Requested",
                "Somebody, we hope you, wants to change the identity of {handle}, for example to move to another server. \
                 This is the code. It is good for 15 minutes. Type it in only if you know what you are doing.",
                "If you did not ask for it, give the code to nobody and change your password: whoever changes your identity \
                 can take your account away.",
            ),
            Code::LogIn => (
                "Sign-in Code",
                "To finish logging in as {handle}, type this code into the app. It is good for 15 minutes.",
                "If this was not you, somebody knows your password: change it now.",
            ),
        };
        let link = match self {
            Code::ConfirmEmail => Some("Or confirm it here:"),
            Code::ResetPassword => Some("Or choose it here:"),
            _ => None,
        };
        Words {
            subject,
            before,
            after,
            link,
        }
    }

    fn in_german(self) -> Words {
        let (subject, before, after) = match self {
            Code::ConfirmEmail => (
                "E-Mail-Adresse bestätigen",
                "Um zu zeigen, dass diese Adresse zu {handle} gehört, gib diesen Code in der App ein. Er gilt 15 Minuten.",
                "Wenn du ihn nicht angefordert hast, brauchst du nichts zu tun.",
            ),
            Code::UpdateEmail => (
                "E-Mail-Adresse ändern",
                "Um die E-Mail-Einstellungen von {handle} zu ändern, gib diesen Code in der App ein. Er gilt 15 Minuten.",
                "Wenn du ihn nicht angefordert hast, ist vielleicht jemand anderes in deinem Konto angemeldet: ändere dein Passwort.",
            ),
            Code::ResetPassword => (
                "Passwort zurücksetzen",
                "Um ein neues Passwort für {handle} zu wählen, gib diesen Code in der App ein. Er gilt 15 Minuten.",
                "Wenn du ihn nicht angefordert hast, brauchst du nichts zu tun: dein Passwort bleibt, wie es ist.",
            ),
            Code::DeleteAccount => (
                "Konto löschen",
                "Um {handle} mit allem, was darin ist, endgültig zu löschen, gib diesen Code und dein Passwort in der App ein. \
                 Er gilt 15 Minuten.",
                "Wenn du ihn nicht angefordert hast, ist vielleicht jemand anderes in deinem Konto angemeldet: ändere sofort dein \
                 Passwort.",
            ),
            Code::PlcOperation => (
                "PLC-Operation angefordert",
                "Jemand, hoffentlich du, möchte die Identität von {handle} ändern, etwa um auf einen anderen Server umzuziehen. \
                 Dies ist der Code. Er gilt 15 Minuten. Gib ihn nur ein, wenn du weißt, was du tust.",
                "Wenn du ihn nicht angefordert hast, gib ihn niemandem und ändere dein Passwort: wer deine Identität ändert, kann dir \
                 dein Konto wegnehmen.",
            ),
            Code::LogIn => (
                "Anmeldecode",
                "Um dich als {handle} anzumelden, gib diesen Code in der App ein. Er gilt 15 Minuten.",
                "Wenn du das nicht warst, kennt jemand dein Passwort: ändere es sofort.",
            ),
        };
        let link = match self {
            Code::ConfirmEmail => Some("Oder bestätige sie hier:"),
            Code::ResetPassword => Some("Oder wähle es hier:"),
            _ => None,
        };
        Words {
            subject,
            before,
            after,
            link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::testing::branding;

    #[test]
    fn every_letter_brings_its_code_and_names_the_account() {
        for (code, language) in Code::ALL
            .into_iter()
            .flat_map(|code| [(code, Language::English), (code, Language::German)])
        {
            let letter = code.letter("a@b.test", "alice.test", "ABCDE-FGHIJ", language, &branding());
            assert!(letter.html.contains(">ABCDE-FGHIJ</code>") && letter.text.contains("\nABCDE-FGHIJ\n"));
            assert!(
                letter.html.contains("@alice.test") && letter.text.contains("@alice.test"),
                "{code:?}"
            );
            let page = match code {
                Code::ConfirmEmail => Some("https://pds.test/account/confirm-email?code=ABCDE-FGHIJ"),
                Code::ResetPassword => Some("https://pds.test/account/reset-password?code=ABCDE-FGHIJ"),
                _ => None,
            };
            assert_eq!(letter.text.contains("https://"), page.is_some(), "{code:?}");
            assert!(letter.text.contains(page.unwrap_or_default()) && letter.html.contains(page.unwrap_or_default()));
            assert_eq!(letter.to, "a@b.test");
        }
    }

    #[test]
    fn the_link_can_be_left_out() {
        let branding = Branding {
            confirmation_link: false,
            ..branding()
        };
        let letter = Code::ConfirmEmail.letter("a@b.test", "a.test", "ABCDE-FGHIJ", Language::English, &branding);
        assert!(!letter.text.contains("https://") && !letter.html.contains("https://"));
    }
}
