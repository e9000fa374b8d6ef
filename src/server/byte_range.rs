//! The `Range` header: one range of bytes ([RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14)).

/// A part of a representation, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub start: u64,
    /// How many bytes; at least one.
    pub length: u64,
}

/// What to send for a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything: no range is asked for, or several are, or none that makes sense.
    Whole,
    /// One part.
    Part(Part),
    /// 416: nothing of what is asked for is there.
    Unsatisfiable,
}

/// What a `Range` header selects of so many bytes.
pub fn select(range: Option<&str>, size: u64) -> Selection {
    let Some((unit, range)) = range.and_then(|range| range.split_once('=')) else {
        return Selection::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    match range.split_once('-').map(|(first, last)| (number(first), number(last))) {
        Some((Bound::At(first), Bound::At(last))) if first <= last => {
            part(first, last.saturating_add(1).min(size), size)
        }
        Some((Bound::At(first), Bound::Open)) => part(first, size, size),
        Some((Bound::Open, Bound::At(last))) => part(size.saturating_sub(last), size, size),
        _ => Selection::Whole,
    }
}

fn part(start: u64, end: u64, size: u64) -> Selection {
    match end.checked_sub(start) {
        Some(length) if length > 0 && start < size => Selection::Part(Part { start, length }),
        _ => Selection::Unsatisfiable,
    }
}

enum Bound {
    Open,
    At(u64),
    Malformed,
}

fn number(text: &str) -> Bound {
    match text {
        "" => Bound::Open,
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_or(Bound::Malformed, Bound::At),
        _ => Bound::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_honoured() {
        for (range, start, length) in [
            ("bytes=0-0", 0, 1),
            ("Bytes=0-0", 0, 1),
            ("bytes=0-9", 0, 10),
            ("bytes=5-", 5, 5),
            ("bytes=5-999", 5, 5),
            ("bytes=-3", 7, 3),
            ("bytes=-999", 0, 10),
            ("bytes=9-18446744073709551615", 9, 1),
        ] {
            assert_eq!(
                select(Some(range), 10),
                Selection::Part(Part { start, length }),
                "{range}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (range, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(select(Some(range), size), Selection::Unsatisfiable, "{range} of {size}");
        }
    }

    #[test]
    fn everything_else_is_ignored() {
        let many = format!("bytes={}", "0-0,".repeat(1_000));
        for range in [
            "bytes=0-0,2-3",
            many.as_str(),
            "bytes=5-3",
            "bytes=-",
            "bytes=",
            "bytes=a-b",
            "bytes=--1",
            "bytes=+1-2",
            "items=0-1",
            "bytes=99999999999999999999-",
            "0-1",
        ] {
            assert_eq!(select(Some(range), 10), Selection::Whole, "{range}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }
}
