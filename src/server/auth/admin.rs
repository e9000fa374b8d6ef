//! The administrator's password.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;

/// The user name of the administrator (the password is `PDS_ADMIN_PASSWORD`).
const ADMIN: &[u8] = b"admin";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether Basic credentials (base64 of `user:password`, [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) are the administrator's.
/// Takes the same time whatever part of them is wrong.
pub fn is_admin(basic: &str, admin_password: &str) -> bool {
    let decoded = BASE64.decode(basic).unwrap_or_default();
    let colon = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
    let (user, password) = decoded.split_at(colon);
    let password = password.get(1..).unwrap_or_default();
    let matches = user.ct_eq(ADMIN) & password.ct_eq(admin_password.as_bytes());
    bool::from(matches) && !admin_password.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_the_right_user_and_password() {
        let encode = |text: &str| BASE64.encode(text);
        assert!(is_admin("YWRtaW46YWRtaW4tcGFzcw==", "admin-pass"));
        assert!(is_admin("YWRtaW46YWRtaW4tcGFzcw", "admin-pass"));
        assert!(is_admin(&encode("admin:with:colons"), "with:colons"));
        for wrong in [
            "admin:wrong",
            "root:admin-pass",
            "admin",
            "admin:",
            ":admin-pass",
            "",
            "admin:admin-pass:",
        ] {
            assert!(!is_admin(&encode(wrong), "admin-pass"), "{wrong}");
        }
        assert!(!is_admin("!!!", "admin-pass"));
    }

    #[test]
    fn an_empty_password_opens_nothing() {
        assert!(!is_admin(&BASE64.encode("admin:"), ""));
    }
}
