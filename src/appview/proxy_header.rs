//! The `atproto-proxy` header, by which a client names the service that is to answer
//! ([service proxying](https://atproto.com/specs/xrpc#service-proxying)).

use crate::server::XrpcError;

/// The header's name.
pub(super) const NAME: &str = "atproto-proxy";
/// The longest value that is read, in bytes.
const MAX_BYTES: usize = 2_048;

/// Takes `<did>#<service>` apart, with the reference's errors.
///
/// # Errors
/// 400 if it has another form.
pub(super) fn parse(value: &str) -> Result<(&str, &str), XrpcError> {
    if value.len() > MAX_BYTES {
        return Err(XrpcError::invalid_request("invalid proxy header format"));
    }
    let Some((did, id)) = value.split_once('#') else {
        return Err(XrpcError::invalid_request("no service id specified in proxy header"));
    };
    let problem = if did.is_empty() {
        "no did specified in proxy header"
    } else if id.is_empty() {
        "no service id specified in proxy header"
    } else if id.contains('#') {
        "invalid proxy header format"
    } else if value.contains(' ') {
        "proxy header cannot contain spaces"
    } else {
        return Ok((did, id));
    };
    Err(XrpcError::invalid_request(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_a_did_and_a_service() {
        let long = format!("did:web:a.example#{}", "x".repeat(MAX_BYTES));
        for (value, expected) in [
            ("did:web:a.example#b", Ok(("did:web:a.example", "b"))),
            ("#b", Err("no did specified in proxy header")),
            ("did:web:a.example", Err("no service id specified in proxy header")),
            ("did:web:a.example#", Err("no service id specified in proxy header")),
            ("did:web:a.example#b#c", Err("invalid proxy header format")),
            ("did:web:a.example#b c", Err("proxy header cannot contain spaces")),
            (" did:web:a.example#b", Err("proxy header cannot contain spaces")),
            (&long, Err("invalid proxy header format")),
        ] {
            let outcome = parse(value).map_err(|error| error.message);
            assert_eq!(outcome, expected.map_err(str::to_owned), "{value}");
        }
    }
}
