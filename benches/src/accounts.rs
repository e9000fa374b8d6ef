//! The accounts that write and are read, created over HTTP like any other.

use std::net::SocketAddr;

use crate::Error;
use crate::connection::Connection;
use crate::requests;

/// An account and its session.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) did: String,
    /// The value of the `Authorization` header.
    pub(crate) authorization: String,
}

/// Creates accounts, one after another.
pub(crate) async fn create(server: SocketAddr, count: usize) -> Result<Vec<Account>, Error> {
    let mut connection = Connection::open(server).await?;
    let mut accounts = Vec::with_capacity(count);
    for number in 0..count {
        let answer = connection.json(requests::create_account(number)).await?;
        let text = |field: &str| {
            answer[field]
                .as_str()
                .map(str::to_owned)
                .ok_or("createAccount gave no session")
        };
        accounts.push(Account {
            did: text("did")?,
            authorization: format!("Bearer {}", text("accessJwt")?),
        });
    }
    Ok(accounts)
}
