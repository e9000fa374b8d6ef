//! Words of abuse that nobody may take as a handle or record key: those that the reference server refuses, as far as the letters of such
//! names can spell them.

/// They count where they stand alone between dots and the like, or are the whole name when those are left out, also with an `s` behind; folded ([`fold`]).
const WORDS: [&str; 19] = [
    "chink", "coon", "fag", "fagg", "fagot", "faggot", "faggotry", "kike", "kyke", "nigg", "nigga", "niggar", "nigge",
    "nigger", "trany", "tranny", "tranie", "trannie", "tranner",
];
/// They count wherever they stand, dots and the like left out; folded.
const ANYWHERE: [&str; 2] = ["nigger", "niggiet"];

/// Whether there is such a word in a handle or record key.
pub fn is_in(name: &str) -> bool {
    let folded: String = name.chars().map(fold).collect();
    let joined: String = folded.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_slur =
        |word: &str| WORDS.contains(&word) || word.strip_suffix('s').is_some_and(|word| WORDS.contains(&word));
    folded.split(['.', '-', ':', '~']).any(is_slur)
        || is_slur(&joined)
        || ANYWHERE.iter().any(|word| joined.contains(word))
}

/// The letter that a character is read as.
fn fold(character: char) -> char {
    match character.to_ascii_lowercase() {
        '0' => 'o',
        '1' | 'l' => 'i',
        '3' => 'e',
        '4' => 'a',
        'q' => 'g',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_seen_through_digits_and_hyphens() {
        for handle in [
            "faggot.test",
            "f4gs.test",
            "a-k1ke.example.com",
            "xn1gg3rx.test",
            "ni-gg.er.test",
            "x:K1KE",
            "k_i-k.e",
        ] {
            assert!(is_in(handle), "{handle}");
        }
    }

    #[test]
    fn other_names_have_letters_in_common_with_them() {
        for handle in [
            "raccoon.test",
            "tycoon.test",
            "leverkusen.test",
            "nigel.test",
            "fagott.test",
            "kikelomo.test",
            "cool.test",
        ] {
            assert!(!is_in(handle), "{handle}");
        }
    }
}
