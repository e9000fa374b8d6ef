//! The query string of a call ([XRPC query parameters](https://atproto.com/specs/xrpc#lexicon-http-endpoints)).

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::error::XrpcError;
use super::format::{self, Format, quoted};

/// The greatest number of parameters in a call.
const MAX_PARAMS: usize = 1_000;
/// Integers in the data model are within ±(2^53 − 1).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The parameters of a call. Names may repeat; parameters with an empty value count as absent, as in the reference; unknown ones are
/// ignored.
#[derive(Clone, Debug, Default)]
pub struct Params {
    nsid: &'static str,
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads a query string. Its size is bounded by the limit on URIs.
    ///
    /// # Errors
    /// 400 `InvalidRequest` beyond 1,000 parameters.
    pub fn parse(nsid: &'static str, query: Option<&str>) -> Result<Self, XrpcError> {
        let query = query.unwrap_or_default();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .filter(|(_, value)| !value.is_empty())
            .take(MAX_PARAMS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let params = Self { nsid, pairs };
        if params.pairs.len() > MAX_PARAMS {
            return Err(params.refused(&format!("at most {MAX_PARAMS} parameters are taken")));
        }
        Ok(params)
    }

    /// A text that must be there.
    pub fn required_str(&self, name: &str) -> Result<&str, XrpcError> {
        self.optional_str(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text that may be there.
    pub fn optional_str(&self, name: &str) -> Result<Option<&str>, XrpcError> {
        self.single(name, "string")
    }

    /// A string of a format, which must be there.
    pub fn required<T: Format>(&self, name: &str) -> Result<T, XrpcError> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// A string of a format, which may be there.
    pub fn optional<T: Format>(&self, name: &str) -> Result<Option<T>, XrpcError> {
        let text = self.optional_str(name)?;
        text.map(|text| format::parse(text).map_err(|message| self.refused(&message)))
            .transpose()
    }

    /// All values of a repeatable parameter, in their order.
    pub fn all<T: Format>(&self, name: &str) -> Result<Vec<T>, XrpcError> {
        let parse = |text| format::parse(text).map_err(|message| self.refused(&message));
        self.values(name).map(parse).collect()
    }

    /// All values of a repeatable parameter that must be there at least once.
    pub fn required_all<T: Format>(&self, name: &str) -> Result<Vec<T>, XrpcError> {
        let values = self.all(name)?;
        if values.is_empty() {
            Err(self.missing(name))
        } else {
            Ok(values)
        }
    }

    /// An integer within a range, which may be there.
    pub fn optional_integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, XrpcError> {
        let Some(text) = self.single(name, "integer")? else {
            return Ok(None);
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let integer = text
            .parse::<i64>()
            .ok()
            .filter(|integer| is_number && integer.unsigned_abs() <= MAX_INTEGER);
        let integer =
            integer.ok_or_else(|| self.refused(&format!("Expected integer value type (got {})", quoted(text))))?;
        if integer < *range.start() {
            return Err(self.refused(&format!("integer too small (minimum {}, got {integer})", range.start())));
        }
        if integer > *range.end() {
            return Err(self.refused(&format!("integer too big (maximum {}, got {integer})", range.end())));
        }
        Ok(Some(integer))
    }

    /// A `limit` of 1 to `maximum`, or `default` where there is none.
    pub fn limit(&self, default: u16, maximum: u16) -> Result<u16, XrpcError> {
        let limit = self.optional_integer("limit", 1..=i64::from(maximum))?;
        Ok(limit.and_then(|limit| u16::try_from(limit).ok()).unwrap_or(default))
    }

    /// The `cursor` of a listing, which may be there.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, XrpcError> {
        let cursor = self.optional_str("cursor")?.map(str::parse).transpose();
        cursor.map_err(|_| XrpcError::invalid_request("Malformed cursor"))
    }

    /// `true` or `false`, which may be there.
    pub fn optional_flag(&self, name: &str) -> Result<Option<bool>, XrpcError> {
        match self.single(name, "boolean")? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.refused(&format!("Expected boolean value type (got {})", quoted(other)))),
        }
    }

    /// `true` or `false`, false where there is none.
    pub fn flag(&self, name: &str) -> Result<bool, XrpcError> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The one value of a parameter that does not repeat.
    fn single<'a>(&'a self, name: &str, expected: &str) -> Result<Option<&'a str>, XrpcError> {
        let mut values = self.values(name);
        let first = values.next();
        let (Some(first), Some(second)) = (first, values.next()) else {
            return Ok(first);
        };
        let more = if values.next().is_some() { ", ..." } else { "" };
        let got = format!("[{}, {}{more}]", quoted(first), quoted(second));
        Err(self.refused(&format!("Expected {expected} value type (got {got})")))
    }

    fn missing(&self, name: &str) -> XrpcError {
        self.refused(&format!("Missing required key \"{name}\""))
    }

    fn refused(&self, message: &str) -> XrpcError {
        XrpcError::invalid_request(format!("Invalid {} params: {message}", self.nsid))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fmt::Debug;

    use atproto_data::{Did, Handle, Nsid};

    use super::*;

    const NSID: &str = "com.example.x";

    fn params(query: &str) -> Params {
        Params::parse(NSID, Some(query)).unwrap()
    }

    fn refusal<T: Debug>(result: Result<T, XrpcError>) -> String {
        let error = result.unwrap_err();
        assert_eq!((error.status.as_u16(), error.error.as_ref()), (400, "InvalidRequest"));
        error
            .message
            .strip_prefix("Invalid com.example.x params: ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn decodes_and_ignores_what_is_empty() {
        let params = params("a=x%20y+z&b=&c");
        assert_eq!(params.required_str("a").unwrap(), "x y z");
        assert_eq!(params.optional_str("b").unwrap(), None);
        assert_eq!(refusal(params.required_str("c")), "Missing required key \"c\"");
    }

    #[test]
    fn integers_are_within_their_range() {
        let limit = |text: &str| params(&format!("limit={text}")).optional_integer("limit", 1..=100);
        assert_eq!(limit("100").unwrap(), Some(100));
        assert_eq!(refusal(limit("0")), "integer too small (minimum 1, got 0)");
        assert_eq!(refusal(limit("-1")), "integer too small (minimum 1, got -1)");
        assert_eq!(refusal(limit("101")), "integer too big (maximum 100, got 101)");
        for text in [
            "abc",
            "1.5",
            "%2B1",
            "NaN",
            "%00",
            "-9223372036854775808",
            "99999999999999999999",
            "9007199254740992",
            "-",
        ] {
            assert!(
                refusal(limit(text)).starts_with("Expected integer value type (got \""),
                "{text}"
            );
        }
        assert_eq!(params("").limit(50, 100).unwrap(), 50);
        assert_eq!(params("limit=7").limit(50, 100).unwrap(), 7);
    }

    #[test]
    fn flags_are_true_or_false() {
        assert!(params("reverse=true").flag("reverse").unwrap());
        assert!(!params("").flag("reverse").unwrap());
        assert_eq!(
            refusal(params("reverse=abc").flag("reverse")),
            "Expected boolean value type (got \"abc\")"
        );
    }

    #[test]
    fn formats_are_parsed() {
        let message = refusal(params("handle=not%20a%20handle").required::<Handle>("handle"));
        assert_eq!(message, "Invalid handle (got \"not a handle\")");
        assert_eq!(
            refusal(params("").required::<Did>("did")),
            "Missing required key \"did\""
        );
        assert_eq!(
            params("lxm=a.b.c").optional::<Nsid>("lxm").unwrap().unwrap().as_str(),
            "a.b.c"
        );
    }

    #[test]
    fn only_repeatable_parameters_repeat() {
        let params = params("did=did:a:b&did=did:a:c");
        assert_eq!(params.required_all::<Did>("did").unwrap().len(), 2);
        let message = refusal(params.required::<Did>("did"));
        assert_eq!(message, r#"Expected string value type (got ["did:a:b", "did:a:c"])"#);
    }

    #[test]
    fn their_number_is_bounded() {
        assert!(Params::parse(NSID, Some(&"a=1&".repeat(MAX_PARAMS))).is_ok());
        assert!(Params::parse(NSID, Some(&"a=1&".repeat(MAX_PARAMS + 1))).is_err());
    }
}
