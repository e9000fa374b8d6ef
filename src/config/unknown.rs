//! Settings that nobody reads: most often a slip of the pen.

use std::collections::HashMap;

use super::tables::all_settings;

/// A name is suggested when at most this many edits lead to it.
const MAX_EDITS: usize = 3;

/// A variable that looks like a setting and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSetting {
    /// The environment variable.
    pub name: String,
    /// The known name that is nearest to it, if one is near.
    pub did_you_mean: Option<String>,
}

/// All `PDS_*` names of `environment` that are no settings, sorted.
pub(super) fn unknown_settings(environment: &HashMap<String, String>) -> Vec<UnknownSetting> {
    let known = known_names();
    let mut names: Vec<&String> = environment
        .keys()
        .filter(|name| name.starts_with("PDS_") && !known.contains(name))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| UnknownSetting {
            name: name.clone(),
            did_you_mean: nearest(name, &known),
        })
        .collect()
}

fn known_names() -> Vec<String> {
    let names = all_settings().map(|setting| setting.name.to_owned());
    let files = all_settings()
        .filter(|setting| setting.secret)
        .map(|setting| format!("{}_FILE", setting.name));
    names.chain(files).collect()
}

fn nearest(name: &str, known: &[String]) -> Option<String> {
    let (edits, nearest) = known.iter().map(|known| (edit_distance(name, known), known)).min()?;
    (edits <= MAX_EDITS).then(|| nearest.clone())
}

/// Levenshtein's distance: insertions, deletions and substitutions of one byte.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, from_byte) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to_byte) in to.bytes().enumerate() {
            let substituted = diagonal + usize::from(from_byte != to_byte);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, unknown_settings};

    #[test]
    fn distance_counts_edits() {
        for (from, to, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("PDS_PORT", "PDS_PROT", 2),
        ] {
            assert_eq!(edit_distance(from, to), edits, "{from} → {to}");
        }
    }

    #[test]
    fn names_are_suggested_when_near() {
        for (name, suggestion) in [
            ("PDS_HOST_NAME", Some("PDS_HOSTNAME")),
            ("PDS_JWT_SECRET_FIL", Some("PDS_JWT_SECRET_FILE")),
            ("PDS_PORT_FILE", None),
            ("PDS_SOMETHING_ELSE_ALTOGETHER", None),
        ] {
            let environment = [(name.to_owned(), "x".to_owned())].into();
            let unknown = unknown_settings(&environment);
            assert_eq!(unknown.len(), 1, "{name}");
            assert_eq!(unknown[0].did_you_mean.as_deref(), suggestion, "{name}");
        }
    }

    #[test]
    fn other_names_are_nobodys_business() {
        let environment = ["PATH", "LOG_COLOR", "PDS_PORT", "PDS_JWT_SECRET_FILE"]
            .map(|name| (name.to_owned(), "x".to_owned()))
            .into();
        assert_eq!(unknown_settings(&environment), []);
    }
}
