//! How much of something is stored.

use sqlx::Row as _;

use super::{Row, StoreError};

/// How many, and how many bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Usage {
    /// From a row of two columns: how many, and how many bytes.
    pub(crate) fn from_row(row: &Row) -> Result<Usage, StoreError> {
        let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        Ok(Usage {
            count: number(0)?,
            bytes: number(1)?,
        })
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, more: Usage) {
        self.count += more.count;
        self.bytes += more.bytes;
    }
}
