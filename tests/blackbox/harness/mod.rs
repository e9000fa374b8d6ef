//! What the tests stand on: a server process, a PLC directory, accounts and a reader of the firehose.

mod account;
mod api;
mod app;
mod appview;
#[path = "../../../src/mail/testing/authority.rs"]
mod authority;
mod dice;
mod disk;
mod journal;
mod machine;
mod name_server;
mod plc;
mod process;
mod relay;
mod s3;
#[expect(dead_code, reason = "the unit tests of mail use all of it")]
#[path = "../../../src/mail/testing/smtp_sink.rs"]
mod smtp_sink;
mod subscription;
mod tls;
mod vectors;
mod writer;

pub(crate) use account::{Account, create_write};
pub(crate) use api::{Answer, Api, http_get};
pub(crate) use app::{ADMIN_PASSWORD, JWT_SECRET, SERVICE_DID, TestApp, copy_directory, password};
pub(crate) use appview::{AppView, Behaviour};
pub(crate) use authority::Authority;
pub(crate) use dice::Dice;
pub(crate) use disk::{DiskFault, FaultyDisk};
pub(crate) use journal::{DiskJournal, JournalEntry, JournalKind};
pub(crate) use machine::Machine;
pub(crate) use name_server::NameServer;
pub(crate) use plc::{Fault, Plc};
pub(crate) use process::{Ended, Process};
pub(crate) use relay::{Mood, TestRelay};
pub(crate) use s3::S3;
pub(crate) use smtp_sink::{Received, SmtpLogin, SmtpMood, SmtpSink, SmtpTls};
pub(crate) use subscription::{Firehose, seq};
pub(crate) use tls::Certificate;
pub(crate) use vectors::{vector_file, vectors};
pub(crate) use writer::{Writer, cid_of};
