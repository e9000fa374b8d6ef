//! What a server stands on: its disk, its public name, and the services that it calls.

use reqwest::StatusCode;

use super::Finding;
use super::server::{client, firehose};
use crate::app::mail_settings;
use crate::causes::in_one_line;
use crate::config::Config;
use crate::crawl::Relay;
use crate::mail::check::try_login;
use crate::observe::Disk;

const DNS_ADVICE: &str = "Make A or AAAA records for the host name and, with * in front, for handles, to the address of your proxy; on TLS errors wait \
                          for the certificate, which must hold both names.";
const WAY_OUT: &str = "Does this machine reach the Internet on port 443? A NAT gateway, a firewall or a network policy may be in the way.";

/// The disk under the data directory.
pub(super) fn look_at_disk(config: &Config, findings: &mut Vec<Finding>) {
    let directory = &config.storage.data_directory;
    findings.push(match Disk::of(directory) {
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
    });
}

fn room(disk: Disk) -> String {
    format!("{} of {} MiB free", disk.free_bytes >> 20, disk.size_bytes >> 20)
}

/// Whether clients and relays reach this server by its name, and handles by theirs.
pub(super) async fn look_at_public_name(config: &Config, findings: &mut Vec<Finding>) -> reqwest::Result<()> {
    let url = &config.service.public_url;
    let http = client()?;
    match http.get(format!("{url}/xrpc/_health")).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            findings.push(Finding::ok("public name", format!("{url} leads to a server")));
            findings.push(firehose(&http, url).await?);
        }
        Ok(answer) => findings.push(Finding::failed(
            "public name",
            format!("{url} answers {}", answer.status()),
            DNS_ADVICE,
        )),
        Err(error) => findings.push(Finding::failed("public name", in_one_line(&error), DNS_ADVICE)),
    }
    if url.starts_with("https://") {
        for domain in &config.identity.service_handle_domains {
            let host = format!("doctor{domain}");
            let asked = http.get(format!("https://{host}/.well-known/atproto-did")).send();
            findings.push(match asked.await {
                Ok(answer) if [StatusCode::OK, StatusCode::NOT_FOUND].contains(&answer.status()) => {
                    Finding::ok("handles", format!("{host} is reached"))
                }
                Ok(answer) => Finding::failed("handles", format!("{host} answers {}", answer.status()), DNS_ADVICE),
                Err(error) => Finding::failed("handles", in_one_line(&error), DNS_ADVICE),
            });
        }
    }
    Ok(())
}

/// The services of others. Nothing is changed there, and no mail is sent.
pub(super) async fn look_at_services(config: &Config, findings: &mut Vec<Finding>) -> super::Outcome {
    let http = client()?;
    let plc = format!("{}/_health", config.identity.plc_url);
    findings.push(reached(&http, "PLC directory", &plc).await);
    if let Some(appview) = &config.appview.service {
        let health = format!("{}/xrpc/_health", appview.url);
        findings.push(reached(&http, "AppView", &health).await);
    }
    for relay in Relay::all(&config.crawlers.relays)? {
        let status = relay.host_status(&config.service.hostname).await;
        findings.push(match status {
            Ok(Some(_)) => Finding::ok("relay", format!("{} knows this server", relay.url())),
            Ok(None) => Finding::note(
                "relay",
                format!("{} does not know this server", relay.url()),
                "It is asked at every start of the server; `pds relay status` says more.",
            ),
            Err(error) => Finding::failed("relay", format!("{}: {error}", relay.url()), WAY_OUT),
        });
    }
    findings.push(match mail_settings(config)?.users {
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
    });
    Ok(())
}

/// Whatever it answers, it is there.
async fn reached(http: &reqwest::Client, check: &'static str, url: &str) -> Finding {
    match http.get(url).send().await {
        Ok(answer) if answer.status().is_server_error() => {
            Finding::failed(check, format!("{url} answers {}", answer.status()), WAY_OUT)
        }
        Ok(_) => Finding::ok(check, url),
        Err(error) => Finding::failed(check, in_one_line(&error), WAY_OUT),
    }
}
