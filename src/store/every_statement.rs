//! Every SQL statement of the source is tried: it must fit the schema, and be in the dialect that SQLite and PostgreSQL share.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod source;

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::testing::TestStore;
use source::{File, Texts, Token};

/// What statements begin with, but for those that begin and end transactions: they name nothing of the schema.
const VERBS: [&str; 11] = [
    "ALTER ", "CREATE ", "DELETE ", "DROP ", "EXPLAIN ", "INSERT ", "PRAGMA ", "REPLACE ", "SELECT ", "UPDATE ",
    "WITH ",
];
/// A text with one of these is a piece of a statement.
const SIGNS_OF_SQL: [&str; 6] = [" FROM ", " WHERE ", " AND ", " IN (", "ORDER BY", " SET "];
/// What stands for variables that are pushed into a statement: all texts that callers pass.
const VARIABLES: [(&str, &[&str]); 2] = [
    ("column", &["code", "for_account"]),
    (
        "condition",
        &[
            "code IN (",
            "code IN (SELECT code FROM invite_code_use WHERE used_by IN (",
            "for_account IN (",
        ],
    ),
];
/// Functions that both databases have, with the same meaning. With two arguments `min` and `max` are SQLite's own.
const SHARED_FUNCTIONS: [&str; 12] = [
    "avg",
    "coalesce",
    "count",
    "length",
    "lower",
    "max",
    "min",
    "replace",
    "row_number",
    "substr",
    "sum",
    "upper",
];
/// What only SQLite takes, or takes in another way.
const SQLITE_ONLY: [&str; 13] = [
    "INSERT OR ",
    "REPLACE INTO",
    "PRAGMA",
    "GLOB",
    "rowid",
    "sqlite_",
    "INDEXED BY",
    "||",
    "==",
    "\"",
    "`",
    "LIMIT -1",
    "x'",
];

/// A statement and the file that it stands in.
type Statement = (String, String);

/// Finds the statements of all files.
struct Scan<'f> {
    files: &'f [File],
    texts: Texts<'f>,
    found: BTreeSet<Statement>,
    /// Texts that are no statements by themselves: they were made part of one.
    pieces: BTreeSet<String>,
}

impl Scan<'_> {
    fn run(mut self) -> BTreeSet<Statement> {
        for file in 0..self.files.len() {
            let mut at = 0;
            while at < self.files[file].tokens.len() {
                at = self.step(file, at);
            }
        }
        self.found.retain(|(_, sql)| !self.pieces.contains(sql));
        self.found
    }

    fn step(&mut self, file: usize, at: usize) -> usize {
        let File { path, tokens } = &self.files[file];
        if tokens[at..].starts_with(&[Token::Name("QueryBuilder".to_owned()), Token::Sign(':')]) {
            return self.composed(file, at);
        }
        // What is put together in another way is found as the text that it begins with, which does not prepare.
        let Some((text, after)) = self.texts.read(file, at) else {
            return at + 1;
        };
        if VERBS.iter().any(|verb| text.starts_with(verb)) {
            self.found.insert((path.clone(), text));
        } else if SIGNS_OF_SQL.iter().any(|sign| text.contains(sign)) {
            let known = VARIABLES.iter().any(|(_, values)| values.contains(&text.as_str()));
            assert!(
                known,
                "{path}: \"{text}\" is a piece of SQL of which this test does not know where it goes"
            );
        }
        after
    }

    /// What a `QueryBuilder` makes from here to its `build`, with one value in each list.
    fn composed(&mut self, file: usize, at: usize) -> usize {
        let File { path, tokens } = &self.files[file];
        let mut made = vec![String::new()];
        let mut values = 0;
        for at in at..tokens.len() {
            let Token::Name(name) = &tokens[at] else { continue };
            let begins = made == [""];
            let pushed: Vec<String> = match name.as_str() {
                "build" => {
                    self.found.extend(made.into_iter().map(|sql| (path.clone(), sql)));
                    return at;
                }
                "push_bind" => {
                    values += 1;
                    vec![format!("${values}")]
                }
                "new" if !begins => continue,
                "new" | "push" => match (self.texts.read(file, at + 2), &tokens[at + 2]) {
                    (Some((text, _)), _) => vec![text],
                    (None, Token::Name(variable)) => known_values(path, variable),
                    (None, other) => panic!("{path}: {other:?} is pushed into a statement"),
                },
                _ => continue,
            };
            if begins {
                self.pieces.extend(pushed.iter().cloned());
            }
            made = made
                .iter()
                .flat_map(|begun| pushed.iter().map(move |text| joined(begun, text)))
                .collect();
        }
        panic!("{path}: a statement is begun and not built")
    }
}

fn known_values(path: &str, variable: &str) -> Vec<String> {
    let known = VARIABLES.iter().find(|(name, _)| *name == variable);
    let (_, values) = known.unwrap_or_else(|| panic!("{path}: VARIABLES does not say what `{variable}` may be"));
    values.iter().map(|&value| value.to_owned()).collect()
}

/// A closing bracket closes all that are open.
fn joined(begun: &str, text: &str) -> String {
    let open = begun.matches('(').count() - begun.matches(')').count();
    let text = if text == ")" { ")".repeat(open) } else { text.to_owned() };
    format!("{begun}{text}")
}

fn statements() -> BTreeSet<Statement> {
    let files = source::files();
    let scan = Scan {
        files: &files,
        texts: Texts::of(&files),
        found: BTreeSet::new(),
        pieces: BTreeSet::new(),
    };
    scan.run()
}

/// The words that are directly followed by a bracket, with what is in it.
fn calls(sql: &str) -> impl Iterator<Item = (&str, &str)> {
    sql.match_indices('(').filter_map(move |(at, _)| {
        let word = sql[..at]
            .rsplit(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .next()?;
        let arguments = sql[at + 1..].split(')').next()?;
        (!word.is_empty()).then_some((word, arguments))
    })
}

/// Why a statement cannot run on both databases.
fn not_shared(sql: &str) -> Option<String> {
    if let Some(word) = SQLITE_ONLY.iter().find(|word| sql.contains(*word)) {
        return Some((*word).to_owned());
    }
    let is_shared = |word: &str, arguments: &str| {
        SHARED_FUNCTIONS.contains(&word) && !(["max", "min"].contains(&word) && arguments.contains(','))
    };
    let call = calls(sql).find(|(word, arguments)| !is_shared(word, arguments));
    call.map(|(word, arguments)| format!("{word}({arguments})"))
}

/// Whether all parameters are `$1`, `$2` and so on, without a gap.
fn are_numbered(names: &[Option<String>]) -> bool {
    let numbers: BTreeSet<usize> = names
        .iter()
        .map(|name| name.as_deref()?.strip_prefix('$')?.parse().ok())
        .map(Option::unwrap_or_default)
        .collect();
    numbers.iter().copied().eq(1..=names.len())
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = TestStore::open().await;
    let connection = Connection::open(test.file()).unwrap();
    for (path, sql) in statements() {
        let statement = connection
            .prepare(&sql)
            .unwrap_or_else(|error| panic!("{path}: {error}\n{sql}"));
        let names: Vec<_> = (1..=statement.parameter_count())
            .map(|index| statement.parameter_name(index).map(str::to_owned))
            .collect();
        assert!(
            are_numbered(&names),
            "{path}: parameters are $1, $2, …, not {names:?}\n{sql}"
        );
    }
}

#[test]
fn what_only_sqlite_understands_stays_in_the_store() {
    for (path, sql) in statements() {
        if !path.starts_with("store/") {
            assert_eq!(not_shared(&sql), None, "{path}: only SQLite knows this\n{sql}");
        }
    }
}

#[test]
fn the_scan_finds_statements_however_they_are_written() {
    let found = statements();
    let has = |path: &str, start: &str| found.iter().any(|(file, sql)| file == path && sql.starts_with(start));
    for (path, start) in [
        (
            "store/group.rs",
            "INSERT INTO event (seq, account_id, previous, time, frame) VALUES ($1",
        ),
        ("account/pending.rs", "INSERT INTO pending_account (did, handle,"),
        ("account/settle.rs", "SELECT did, handle,"),
        ("account/moderation.rs", "SELECT a.account_id, a.repo_id"),
        (
            "account/invite_codes.rs",
            "UPDATE invite_code SET disabled = 1 WHERE for_account IN ($1)",
        ),
        ("sequencer/purge.rs", "DELETE FROM event WHERE seq IN ($1)"),
        (
            "blob/references.rs",
            "SELECT path, cid FROM blob_ref WHERE repo_id = $1 AND path IN ($2)",
        ),
    ] {
        assert!(has(path, start), "{path}: {start}");
    }
    assert!(
        !has("sequencer/purge.rs", "DELETE FROM event WHERE seq <="),
        "that one is a test's"
    );
    assert!(found.len() > 150, "{} statements", found.len());
}

#[test]
fn what_is_not_shared_is_seen() {
    for sql in [
        "INSERT OR IGNORE INTO t VALUES ($1)",
        "SELECT max(a, 1) FROM t",
        "SELECT ifnull(a, 1) FROM t",
        "SELECT a || b FROM t",
        "SELECT json_extract(a, '$.b') FROM t",
        "SELECT hex(rowid) FROM t",
    ] {
        assert!(not_shared(sql).is_some(), "{sql}");
    }
    assert_eq!(
        not_shared("SELECT max(a), count(*) FROM t WHERE b IN ($1) AND EXISTS (SELECT 1 FROM u)"),
        None
    );
}
