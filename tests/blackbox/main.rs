//! The server from outside: the real binary with a real database, a PLC directory that can lie, and readers that believe nothing.
//!
//! A test starts its own server: `let app = TestApp::start().await; let alice = app.account("alice").await;`, then one behaviour. When the
//! server is dropped, its log must be free of errors and panics.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod harness;

mod firehose;
mod replay;
mod repo_car;
mod restored;
mod untouched;

mod app_passwords;
mod appview_methods;
mod blobs;
mod bodies;
mod broken_disk;
mod bucket;
mod changed_settings;
mod command_line;
mod crash;
mod creation;
mod crowd;
mod damage;
mod deletion;
mod did_web;
mod difference;
mod doctor;
mod every_method;
mod external_handles;
mod floods;
mod flow;
mod full_disk;
mod half_done;
mod handles;
mod handshake;
mod hang_ups;
mod hostile_services;
mod http_framing;
mod http_versions;
mod identifiers;
mod identities;
mod import;
mod interrupted_handles;
mod invites;
mod key_change;
mod large_import;
mod leaving;
mod limits;
mod logs;
mod mail_servers;
mod mailed_codes;
mod mailed_operations;
mod metric_values;
mod metrics;
mod moderation;
mod moderators;
mod operators_tools;
mod pages;
mod paging;
mod power_cut;
mod preferences;
mod probes;
mod process;
mod proxy;
mod proxy_faults;
mod read_after_write;
mod record_sizes;
mod records;
mod refused_writes;
mod relays;
mod second_factor;
mod service_auth;
mod sessions;
mod slow_readers;
mod stalled;
mod subscription;
mod sync;
mod taken_down;
mod trees;
mod upload_limits;
mod visibility;
mod web_handles;

use harness::{Account, Answer, Api, Firehose, Plc, TestApp, create_write};
