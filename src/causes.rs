//! What an error came of.

use std::error::Error;

/// An error and its causes, the outermost first.
pub(crate) fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and its causes in one line.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let words: Vec<String> = causes(error).map(ToString::to_string).collect();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_line_names_every_cause() {
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(causes(&error).count(), 2);
        assert_eq!(in_one_line(&error), "outer: inner");
    }
}
