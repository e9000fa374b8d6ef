//! Language tags: BCP 47 (RFC 5646).

use super::{SyntaxError, require, text_type};

/// Longest language tag in bytes.
pub const MAX_LANGUAGE_BYTES: usize = 128;

/// The tags RFC 5646 section 2.1 keeps although they do not follow its grammar.
const IRREGULAR: [&str; 17] = [
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];

/// A language tag such as `ja` or `pt-BR`: well-formed, no variant or extension twice. Whether its parts are registered
/// is not checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(String);

impl Language {
    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_LANGUAGE_BYTES, "language tag", "at most 128 bytes")?;
        require(
            IRREGULAR.contains(&text) || is_well_formed(text),
            "language tag",
            "must follow BCP 47, as \"pt-BR\" does",
        )
    }
}

/// Checks the subtags one after the other in the order of RFC 5646 section 2.1: language, extended language, script,
/// region, variants, extensions, private use. The language must be in lower case, all else is as it likes.
fn is_well_formed(text: &str) -> bool {
    let subtags: Vec<&str> = text.split('-').collect();
    if !subtags
        .iter()
        .all(|subtag| (1..=8).contains(&subtag.len()) && is_alphanumeric(subtag))
    {
        return false;
    }
    let Some((language, mut rest)) = subtags.split_first() else {
        return false;
    };
    if language.eq_ignore_ascii_case("x") {
        return !rest.is_empty();
    }
    if !(2..=3).contains(&language.len()) || !language.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return false;
    }
    for _ in 0..3 {
        rest = skip(rest, |subtag| subtag.len() == 3 && is_alphabetic(subtag));
    }
    rest = skip(rest, |subtag| subtag.len() == 4 && is_alphabetic(subtag));
    rest = skip(rest, |subtag| {
        subtag.len() == 2 && is_alphabetic(subtag) || subtag.len() == 3 && is_numeric(subtag)
    });
    skip_variants(rest)
        .and_then(skip_extensions)
        .is_some_and(|rest| match rest.split_first() {
            Some((subtag, private)) => subtag.eq_ignore_ascii_case("x") && !private.is_empty(),
            None => true,
        })
}

/// What follows an optional subtag.
fn skip<'a, 'b>(subtags: &'a [&'b str], matches: impl Fn(&str) -> bool) -> &'a [&'b str] {
    match subtags.split_first() {
        Some((first, rest)) if matches(first) => rest,
        _ => subtags,
    }
}

/// What follows the variants: `None` if one occurs twice.
fn skip_variants<'a, 'b>(subtags: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let is_variant = |subtag: &&str| {
        subtag.len() >= 5 || subtag.len() == 4 && subtag.starts_with(|first: char| first.is_ascii_digit())
    };
    let (variants, rest) = subtags.split_at(subtags.iter().take_while(|subtag| is_variant(subtag)).count());
    all_differ(variants).then_some(rest)
}

/// What follows the extensions, each a singleton but `x` with at least one subtag of two characters or more: `None` if a
/// singleton has no such subtag or occurs twice.
fn skip_extensions<'a, 'b>(mut subtags: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let mut singletons = Vec::new();
    while let Some((singleton, rest)) = subtags.split_first()
        && singleton.len() == 1
        && !singleton.eq_ignore_ascii_case("x")
    {
        let len = rest.iter().take_while(|subtag| subtag.len() >= 2).count();
        if len == 0 {
            return None;
        }
        singletons.push(*singleton);
        subtags = &rest[len..];
    }
    all_differ(&singletons).then_some(subtags)
}

fn all_differ(subtags: &[&str]) -> bool {
    subtags
        .iter()
        .enumerate()
        .all(|(i, subtag)| !subtags[..i].iter().any(|other| other.eq_ignore_ascii_case(subtag)))
}

fn is_alphabetic(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_numeric(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_alphanumeric(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

text_type!(Language);
