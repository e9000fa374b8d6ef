//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

const USAGE: &str =
    "usage: pds-bench BINARY [--seconds 5] [--records 10000] [--only TEXT] [--large N,N] [--data-dir DIRECTORY]
  BINARY            the server to measure; it is run with the one argument `serve`
  --seconds         how long each case runs
  --records         records of the repo that is read
  --only            run the cases whose name contains this
  --large           measure writes and proofs in repos of so many records, cold and warm, instead of the cases
  --data-dir        where the data directory is made; it should be on the disk that is to be measured";

/// Bounds of one run.
const MAX_SECONDS: u64 = 600;
const MAX_RECORDS: usize = 1_000_000;

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The server.
    pub(crate) binary: PathBuf,
    /// How long each case runs.
    pub(crate) time: Duration,
    /// Records of the repo that is read.
    pub(crate) records: usize,
    /// Only the cases whose name contains this.
    pub(crate) only: String,
    /// Sizes of the large repos that are measured instead of the cases.
    pub(crate) large: Vec<u64>,
    /// Where the data directory is made.
    pub(crate) data_dir: PathBuf,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Error> {
        let mut options = Options {
            binary: PathBuf::new(),
            time: Duration::from_secs(5),
            records: 10_000,
            only: String::new(),
            large: Vec::new(),
            data_dir: std::env::temp_dir(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match argument.as_str() {
                "--seconds" => options.time = Duration::from_secs(value()?.parse::<u64>()?.clamp(1, MAX_SECONDS)),
                "--records" => options.records = value()?.parse::<usize>()?.clamp(1, MAX_RECORDS),
                "--only" => options.only = value()?,
                "--large" => options.large = sizes(&value()?)?,
                "--data-dir" => options.data_dir = value()?.into(),
                name if !name.starts_with('-') && options.binary.as_os_str().is_empty() => options.binary = name.into(),
                _ => return Err(USAGE.into()),
            }
        }
        if options.binary.as_os_str().is_empty() {
            return Err(USAGE.into());
        }
        Ok(options)
    }

    /// Whether a case was asked for.
    pub(crate) fn wants(&self, case: &str) -> bool {
        case.contains(&self.only)
    }
}

fn sizes(list: &str) -> Result<Vec<u64>, Error> {
    let size = |number: &str| Ok(number.parse::<u64>()?.clamp(1, MAX_RECORDS as u64));
    list.split(',').map(size).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parse(line: &str) -> Result<Options, Error> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn values_are_bounded_and_mistakes_explained() {
        let options = parse("target/pds --seconds 0 --only getRecord").unwrap();
        assert_eq!((options.time, options.records), (Duration::from_secs(1), 10_000));
        assert!(options.wants("getRecord") && !options.wants("getRepo"));
        assert_eq!(
            parse("target/pds --large 1000,0,99999999").unwrap().large,
            [1_000, 1, 1_000_000]
        );
        for wrong in ["", "a b", "a --what", "a --seconds"] {
            assert!(parse(wrong).unwrap_err().to_string().starts_with("usage"), "{wrong}");
        }
    }
}
