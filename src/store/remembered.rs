//! What settings said at the last start: some cannot just say something else once there are accounts or blobs.

use super::{Store, StoreError};

impl Store {
    /// What a setting said at the last start that told [`Store::remember`]; none if it never did.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn remembered(&self, name: &str) -> Result<Option<String>, StoreError> {
        const FIND: &str = "SELECT value FROM remembered_setting WHERE name = $1";
        self.look_up_one(FIND, [name.into()], |row| Ok(row.text(0)?.to_owned()))
            .await
    }

    /// Remembers what a setting says.
    ///
    /// # Errors
    /// If the database refused it.
    pub async fn remember(&self, name: &'static str, value: String) -> Result<(), StoreError> {
        let remember = self.change(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO remembered_setting (name, value) VALUES ($1, $2) \
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(tx.connection())
                .await?;
                Ok::<_, StoreError>(())
            })
        });
        remember.await
    }
}
