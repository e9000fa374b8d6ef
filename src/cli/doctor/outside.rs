//! What a server stands on: its disk, its public name, and the services that it calls.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::{Response, StatusCode, header};

use super::server::{client, firehose};
use super::{Finding, Findings, handles};
use crate::app::{blob_settings, mail_settings};
use crate::blob::try_out;
use crate::causes::in_one_line;
use crate::cli::Outcome;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{BlobStoreConfig, Config};
use crate::crawl::Relay;
use crate::mail::check::try_login;
use crate::observe::Disk;

pub(super) const DNS_ADVICE: &str = "Make A or AAAA records for the host name and, with * in front, for handles, to the address of your proxy; on TLS errors wait \
                          for the certificate, which must hold both names.";
const WAY_OUT: &str = "Does this machine reach the Internet on port 443? A NAT gateway, a firewall or a network policy may be in the way.";
const BODY_ADVICE: &str = "Something between here and the server refuses large bodies: raise the proxy's limit (nginx: client_max_body_size) to \
                           PDS_BLOB_UPLOAD_LIMIT at least.";
const BUCKET_ADVICE: &str =
    "The access key needs the rights to put, get and delete objects in this bucket; PDS_BLOBSTORE_S3_* name both.";
const CLOCK_ADVICE: &str = "Tokens, codes and events carry the time: let the machine's clock be set by NTP.";
/// More than proxies let through that nobody told of uploads.
const LARGE_BODY: usize = 2 << 20;
/// A clock may differ by this much from another's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// Settings that fit together badly, and secrets that are easily guessed.
pub(super) fn look_at_settings(config: &Config, findings: &mut Findings) -> Outcome {
    for warning in config.warnings() {
        findings.add(Finding::note("settings", warning, ""))?;
    }
    Ok(())
}

/// The disk under the data directory.
pub(super) fn look_at_disk(config: &Config, findings: &mut Findings) -> Outcome {
    let directory = &config.storage.data_directory;
    findings.add(match Disk::of(directory) {
        Err(error) => Finding::failed(
            "disk",
            format!("{}: {error}", directory.display()),
            "Set PDS_DATA_DIRECTORY to a directory that the server may write to.",
        ),
        Ok(disk) if disk.read_only => Finding::failed("disk", "it is read-only", "docs/runbook.md#pdswritesstopped"),
        Ok(disk) if disk.is_full() => Finding::failed("disk", room(disk), "Make it larger, or make room."),
        Ok(disk) => match disk.network {
            Some(kind) => Finding::failed(
                "disk",
                format!("{} is on {kind}", directory.display()),
                "SQLite loses data on network file systems: use a block device.",
            ),
            None => Finding::ok("disk", room(disk)),
        },
    })
}

/// The bucket of the blobs, if there is one.
pub(super) async fn look_at_blob_store(config: &Config, findings: &mut Findings) -> Outcome {
    let BlobStoreConfig::S3(s3) = &config.blobs.store else {
        return Ok(());
    };
    let name = &s3.bucket;
    findings.add(match try_out(&blob_settings(config)).await {
        Ok(()) => Finding::ok(
            "blob store",
            format!("bucket {name}: an object was written, read and removed"),
        ),
        Err(error) => Finding::failed(
            "blob store",
            format!("bucket {name}: {}", in_one_line(&error)),
            BUCKET_ADVICE,
        ),
    })
}

fn room(disk: Disk) -> String {
    format!("{} of {} MiB free", disk.free_bytes >> 20, disk.size_bytes >> 20)
}

/// Whether clients and relays reach this server, which is at `local` for us, by its name, and handles by theirs.
pub(super) async fn look_at_public_name(config: &Config, local: &str, findings: &mut Findings) -> Outcome {
    let url = &config.service.public_url;
    let http = client()?;
    match http.get(format!("{url}/xrpc/_health")).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            findings.add(Finding::ok("public name", format!("{url} leads to a server")))?;
            findings.add(firehose(&http, url).await)?;
            findings.add(large_body(&http, url).await)?;
        }
        Ok(answer) => {
            let found = format!("{url} answers {}", answer.status());
            findings.add(Finding::failed("public name", found, DNS_ADVICE))?;
        }
        Err(error) => findings.add(Finding::failed("public name", in_one_line(&error), DNS_ADVICE))?,
    }
    if url.starts_with("https://") {
        for domain in &config.identity.service_handle_domains {
            findings.add(handles::look_at(&http, local, domain).await)?;
        }
    }
    Ok(())
}

/// Whether an upload gets as far as the server: that refuses it because nobody is logged in.
async fn large_body(http: &reqwest::Client, url: &str) -> Finding {
    let upload = http.post(format!("{url}/xrpc/com.atproto.repo.uploadBlob"));
    match upload.body(vec![0; LARGE_BODY]).send().await {
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
            Finding::ok("uploads", format!("{} MiB get through", LARGE_BODY >> 20))
        }
        Ok(answer) => Finding::failed("uploads", format!("it answers {}", answer.status()), BODY_ADVICE),
        Err(error) => Finding::failed("uploads", in_one_line(&error), BODY_ADVICE),
    }
}

/// The services of others. Nothing is changed there, and no mail is sent.
pub(super) async fn look_at_services(config: &Config, findings: &mut Findings) -> Outcome {
    let http = client()?;
    let plc = format!("{}/_health", config.identity.plc_url);
    let answer = http.get(&plc).send().await;
    let clock = answer.as_ref().ok().and_then(clock);
    findings.add(reached("PLC directory", &plc, answer))?;
    if let Some(clock) = clock {
        findings.add(clock)?;
    }
    if let Some(appview) = &config.appview.service {
        let health = format!("{}/xrpc/_health", appview.url);
        findings.add(reached("AppView", &health, http.get(&health).send().await))?;
    }
    look_at_relays(config, findings).await?;
    look_at_mail(config, findings).await
}

async fn look_at_relays(config: &Config, findings: &mut Findings) -> Outcome {
    for relay in Relay::all(&config.crawlers.relays)? {
        let status = relay.host_status(&config.service.hostname).await;
        findings.add(match status {
            Ok(Some(_)) => Finding::ok("relay", format!("{} knows this server", relay.url())),
            Ok(None) => Finding::note(
                "relay",
                format!("{} does not know this server", relay.url()),
                "It is asked at every start of the server, and by `pds relay request-crawl`; `pds relay status` says more.",
            ),
            Err(error) => Finding::failed("relay", format!("{}: {error}", relay.url()), WAY_OUT),
        })?;
    }
    Ok(())
}

async fn look_at_mail(config: &Config, findings: &mut Findings) -> Outcome {
    findings.add(match mail_settings(config)?.users {
        None => Finding::note(
            "mail",
            "no mail server is set",
            "Users cannot reset passwords by mail; `pds account code` makes codes.",
        ),
        Some(sender) => match try_login(&sender).await {
            Ok(()) => Finding::ok("mail", "the mail server lets us in; `pds email test` sends a mail"),
            Err(failed) => Finding::failed(
                "mail",
                failed.to_string(),
                "`pds email test you@example.com` goes on from there.",
            ),
        },
    })
}

/// Whatever it answers, it is there.
fn reached(check: &'static str, url: &str, answer: reqwest::Result<Response>) -> Finding {
    match answer {
        Ok(answer) if answer.status().is_server_error() => {
            Finding::failed(check, format!("{url} answers {}", answer.status()), WAY_OUT)
        }
        Ok(_) => Finding::ok(check, url),
        Err(error) => Finding::failed(check, in_one_line(&error), WAY_OUT),
    }
}

/// Compares this machine's clock with that of a service, if it tells the time.
fn clock(answer: &Response) -> Option<Finding> {
    let theirs = httpdate::parse_http_date(answer.headers().get(header::DATE)?.to_str().ok()?).ok()?;
    let theirs = theirs.duration_since(UNIX_EPOCH).ok()?;
    let ours = Duration::from_micros(SystemClock.now_micros().unsigned_abs());
    let difference = ours.abs_diff(theirs);
    let found = format!("{} s between it and that of {}", difference.as_secs(), answer.url());
    Some(if difference <= CLOCK_TOLERANCE {
        Finding::ok("clock", found)
    } else {
        Finding::failed("clock", found, CLOCK_ADVICE)
    })
}
