//! Cases that move many bytes: imports, blobs and the firehose.

use std::sync::Arc;

use crate::Error;
use crate::accounts::Account;
use crate::cases::{Bench, NO_LIMIT, WRITERS};
use crate::connection::Connection;
use crate::load::Measured;
use crate::process::Server;
use crate::requests;
use crate::subscribers::Subscribers;

/// Connections that upload at once, and that download at once.
const UPLOADERS: usize = 4;
const DOWNLOADERS: usize = 8;
const BLOB_BYTES: usize = 1 << 20;
/// Uploads at most: each stays on the disk.
const UPLOADS: u64 = 500;
/// Imports at most: the rows of the repo before each are removed meanwhile.
const IMPORTS: u64 = 5;
const SUBSCRIBERS: usize = 100;

impl Bench<'_> {
    /// Uploads of blobs, and downloads of one.
    pub(crate) async fn blobs(&mut self, server: &Server, account: &Account) -> Result<(), Error> {
        let uploader = account.clone();
        let upload = Arc::new(move |_, number| requests::upload_blob(&uploader, number, BLOB_BYTES));
        self.case(server, "uploadBlob, 1 MiB", UPLOADERS, UPLOADS, upload)
            .await?;
        let mut connection = Connection::open(self.setup.address).await?;
        let uploaded = connection
            .json(requests::upload_blob(account, UPLOADS, BLOB_BYTES))
            .await?;
        let blob = &uploaded["blob"];
        connection.exchange(requests::refer_to_blob(account, blob)).await?;
        let cid = blob["ref"]["$link"]
            .as_str()
            .ok_or("uploadBlob gave no CID")?
            .to_owned();
        let owner = account.clone();
        let get = Arc::new(move |_, _| requests::get_blob(&owner, &cid));
        self.case(server, "getBlob, 1 MiB", DOWNLOADERS, NO_LIMIT, get).await
    }

    /// Gives a repo its own records back, some times.
    pub(crate) async fn imports(&mut self, server: &Server, account: &Account) -> Result<(), Error> {
        let mut connection = Connection::open(self.setup.address).await?;
        let car = connection.bytes(requests::get_repo(account)).await?;
        let account = account.clone();
        let import = Arc::new(move |_, _| requests::import_repo(&account, car.clone()));
        self.case(server, "importRepo", 1, IMPORTS, import).await
    }

    /// What a message costs when many read what many write. Latencies are those of the writes.
    pub(crate) async fn firehose(&mut self, server: &Server, writers: Arc<[Account]>) -> Result<(), Error> {
        let name = format!("firehose, {SUBSCRIBERS} subscribers, per message");
        if !self.options.wants(&name) {
            return Ok(());
        }
        let subscribers = Subscribers::open(self.setup.address, SUBSCRIBERS).await?;
        let create = Arc::new(move |writer: usize, number| requests::create_record(&writers[writer], number));
        let measured = self.load(server, WRITERS, NO_LIMIT, create).await?;
        let expected = measured.operations * SUBSCRIBERS as u64;
        let messages = subscribers.messages(expected).await;
        self.table.row(&name, SUBSCRIBERS, &per_message(&measured, messages));
        if messages < expected {
            println!("\n{messages} of {expected} messages came: the others' readers were too slow\n");
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per_message(measured: &Measured, messages: u64) -> Measured {
    let times = messages.max(1) as f64 / measured.operations as f64;
    Measured {
        operations: messages,
        per_second: measured.per_second * times,
        cpu_micros: measured.cpu_micros / times,
        ..measured.clone()
    }
}
