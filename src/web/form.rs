//! What people send from a page.

use axum::body::Body;
use http_body_util::{BodyExt as _, Limited};

/// The longest form, in bytes.
const MAX_FORM: usize = 8 << 10;

/// The fields of a form ([URL-encoded](https://url.spec.whatwg.org/#application/x-www-form-urlencoded)), or of a query string.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Of a query string.
    pub(super) fn of_query(query: Option<&str>) -> Form {
        let query = query.filter(|query| query.len() <= MAX_FORM);
        Form::of_bytes(query.unwrap_or_default().as_bytes())
    }

    /// Of a body; empty if it breaks off or is too long for an honest one.
    pub(super) async fn of_body(body: Body) -> Form {
        match Limited::new(body, MAX_FORM).collect().await {
            Ok(body) => Form::of_bytes(&body.to_bytes()),
            Err(_) => Form(Vec::new()),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Form {
        Form(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// A field's text; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fields_are_decoded_and_bounded() {
        let form = Form::of_query(Some("code=AB%2DC&password=a+b%26&code=x"));
        assert_eq!(
            (form.text("code"), form.text("password"), form.text("z")),
            ("AB-C", "a b&", "")
        );
        let long = format!("code={}", "x".repeat(MAX_FORM));
        assert_eq!(Form::of_query(Some(&long)).text("code"), "");
        assert_eq!(Form::of_body(Body::from(long)).await.text("code"), "");
        assert_eq!(Form::of_body(Body::from("code=x")).await.text("code"), "x");
    }
}
