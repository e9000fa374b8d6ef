//! Leaving a transaction that SQLite has ended by itself.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteTransactionManager;
use sqlx_core::transaction::TransactionManager as _;

/// Makes a connection ready for the next transaction. When the disk is full SQLite rolls back on its own; sqlx then fails to roll back once
/// more, still counts itself inside and would refuse every transaction from then on.
pub(super) async fn leave_transaction(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    if SqliteTransactionManager::get_transaction_depth(connection) == 0 {
        return Ok(());
    }
    // Most often the rollback is just on its way to the connection's thread: this comes after it.
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    let depth = SqliteTransactionManager::get_transaction_depth(connection);
    if depth == 0 {
        return Ok(());
    }
    tracing::warn!("SQLite ended a transaction by itself");
    // What sqlx believes in is made true, so that it can be rolled back.
    sqlx::query("BEGIN").execute(&mut *connection).await?;
    for level in 1..depth {
        let savepoint = format!("SAVEPOINT _sqlx_savepoint_{level}");
        sqlx::query(sqlx::AssertSqlSafe(savepoint))
            .execute(&mut *connection)
            .await?;
    }
    for _ in 0..depth {
        SqliteTransactionManager::rollback(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use sqlx::Connection as _;

    use super::*;

    async fn can_begin(connection: &mut SqliteConnection) {
        leave_transaction(connection).await.unwrap();
        let transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn after_sqlite_rolled_back_by_itself_a_transaction_can_begin() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        can_begin(&mut connection).await;
        for depth in 1..=2 {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
            if depth == 2 {
                let mut savepoint = transaction.begin().await.unwrap();
                sqlx::raw_sql("ROLLBACK").execute(&mut *savepoint).await.unwrap();
            } else {
                sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await.unwrap();
            }
            drop(transaction);
            can_begin(&mut connection).await;
            can_begin(&mut connection).await;
        }
    }

    #[tokio::test]
    async fn a_rollback_on_its_way_is_waited_for() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        drop(connection.begin_with("BEGIN IMMEDIATE").await.unwrap());
        can_begin(&mut connection).await;
    }
}
