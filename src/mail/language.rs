//! The languages that mail is written in.

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// The one that a client prefers ([`Accept-Language`](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4)), English if it names
    /// none of ours. The order of the header counts; clients write it by preference.
    pub fn preferred(accept_language: Option<&str>) -> Language {
        /// Languages that are looked at.
        const MAX: usize = 20;
        accept_language
            .unwrap_or_default()
            .split(',')
            .take(MAX)
            .find_map(|entry| {
                let tag = entry.split(';').next().unwrap_or_default().trim();
                match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "de" => Some(Language::German),
                    "en" => Some(Language::English),
                    _ => None,
                }
            })
            .unwrap_or_default()
    }

    /// Its tag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn the_first_known_language_counts() {
        for (header, expected) in [
            (None, Language::English),
            (Some(""), Language::English),
            (Some("*"), Language::English),
            (Some("de"), Language::German),
            (Some("fr, de-AT;q=0.8, en;q=0.5"), Language::German),
            (Some("EN-gb,de"), Language::English),
            (Some("den,;;,-"), Language::English),
        ] {
            assert_eq!(Language::preferred(header), expected, "{header:?}");
        }
    }
}
