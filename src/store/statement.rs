//! Statements on connections that are used without a hop.

use atproto_data::Cid;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};

/// A value for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'p> {
    /// NULL.
    Nothing,
    /// A 64-bit integer.
    Integer(i64),
    /// Text.
    Text(&'p str),
    /// Bytes.
    Bytes(&'p [u8]),
}

impl From<i64> for Parameter<'_> {
    fn from(integer: i64) -> Self {
        Parameter::Integer(integer)
    }
}

impl<'p> From<&'p str> for Parameter<'p> {
    fn from(text: &'p str) -> Self {
        Parameter::Text(text)
    }
}

impl<'p> From<&'p String> for Parameter<'p> {
    fn from(text: &'p String) -> Self {
        Parameter::Text(text)
    }
}

impl<'p> From<&'p Cid> for Parameter<'p> {
    fn from(cid: &'p Cid) -> Self {
        Parameter::Bytes(cid.as_bytes())
    }
}

impl<'p> From<&'p [u8]> for Parameter<'p> {
    fn from(bytes: &'p [u8]) -> Self {
        Parameter::Bytes(bytes)
    }
}

impl<'p, T: Into<Parameter<'p>>> From<Option<T>> for Parameter<'p> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Parameter::Nothing, Into::into)
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Parameter::Nothing => ValueRef::Null,
            Parameter::Integer(integer) => ValueRef::Integer(*integer),
            Parameter::Text(text) => ValueRef::Text(text.as_bytes()),
            Parameter::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A prepared statement whose parameters `$1`, `$2`, … have the given values, in whatever order they stand in the text.
pub(super) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut statement = connection.prepare_cached(sql)?;
    for index in 1..=statement.parameter_count() {
        // To SQLite `$1` is a name like any other, and the first parameter is the one that stands first.
        let number = statement
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse().ok());
        let value = number.and_then(|number: usize| parameters.get(number.checked_sub(1)?));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(parameters.len(), index))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(statement)
}

/// Runs a statement and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: &[Parameter<'_>]) -> rusqlite::Result<usize> {
    prepare(connection, sql, parameters)?.raw_execute()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn parameters_are_found_by_their_number() {
        let connection = Connection::open_in_memory().unwrap();
        let run = |sql: &str, parameters: &[Parameter<'_>]| -> rusqlite::Result<String> {
            let mut statement = prepare(&connection, sql, parameters)?;
            let mut rows = statement.raw_query();
            rows.next()?.unwrap().get(0)
        };
        assert_eq!(run("SELECT $2 || $1 || $2", &["a".into(), "b".into()]).unwrap(), "bab");
        for wrong in ["SELECT $3", "SELECT $0", "SELECT ?", "SELECT :name"] {
            assert!(run(wrong, &["a".into(), "b".into()]).is_err(), "{wrong}");
        }
    }
}
