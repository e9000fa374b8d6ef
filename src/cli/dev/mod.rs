//! `pds dev`: a server on loopback with everything it needs, its own PLC directory included.

mod plc_directory;
mod secrets;

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Outcome, logging, serve};
use crate::config::Config;
use crate::random::SystemRandom;
use secrets::DevSecrets;

/// Where the directory listens if nothing else does.
const PLC_PORT: u16 = 2582;

#[derive(Debug, Args)]
pub(super) struct DevArguments {
    /// TCP port of the server; 0 lets the system choose.
    #[arg(long, default_value_t = 2583)]
    port: u16,
    /// TCP port of the PLC directory; by default 2582, or any other if that is taken.
    #[arg(long)]
    plc_port: Option<u16>,
    /// Where data and generated secrets are kept.
    #[arg(long, default_value = "data/dev")]
    data_dir: PathBuf,
}

pub(super) async fn run(arguments: DevArguments) -> Outcome {
    std::fs::create_dir_all(&arguments.data_dir)?;
    let secrets = DevSecrets::load_or_create(&arguments.data_dir, &SystemRandom)?;
    let plc = plc_directory::listen(arguments.plc_port, PLC_PORT).await?;
    let plc_url = format!("http://127.0.0.1:{}", plc.local_addr()?.port());
    let config = Config::from_env_map(&settings(&arguments, &secrets, &plc_url))?;
    logging::start(&config.log);

    let stop = CancellationToken::new();
    let directory = plc_directory::serve(plc, &arguments.data_dir.join("plc.jsonl"), stop.clone())?;
    let admin_password = secrets.admin_password.clone();
    let outcome = serve::serve(config, move |url| print_welcome(url, &plc_url, &admin_password)).await;
    stop.cancel();
    directory.await?;
    outcome
}

/// The settings of a development server, as if they were in the environment.
fn settings(arguments: &DevArguments, secrets: &DevSecrets, plc_url: &str) -> HashMap<String, String> {
    let data = arguments.data_dir.display();
    [
        ("PDS_HOSTNAME", "localhost".to_owned()),
        ("PDS_BIND_ADDRESS", "127.0.0.1".to_owned()),
        ("PDS_PORT", arguments.port.to_string()),
        ("PDS_DATA_DIRECTORY", data.to_string()),
        ("PDS_BLOBSTORE_DISK_LOCATION", format!("{data}/blobs")),
        ("PDS_DID_PLC_URL", plc_url.to_owned()),
        ("PDS_DEV_MODE", "true".to_owned()),
        ("PDS_ADMIN_PASSWORD", secrets.admin_password.clone()),
        ("PDS_JWT_SECRET", secrets.jwt_secret.clone()),
        (
            "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX",
            secrets.plc_rotation_key.clone(),
        ),
        // Nothing outside this machine is asked for anything.
        ("PDS_BSKY_APP_VIEW_URL", String::new()),
        ("PDS_REPORT_SERVICE_URL", String::new()),
        ("PDS_CRAWLERS", String::new()),
        ("LOG_LEVEL", "info".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn print_welcome(url: &str, plc_url: &str, admin_password: &str) {
    println!(
        r#"
The PDS listens on {url}, its PLC directory on {plc_url}.
Admin password: {admin_password}

Try it (needs curl and jq):

  PDS={url}
  CODE=$(curl -s --user admin:{admin_password} --json '{{"useCount":1}}' $PDS/xrpc/com.atproto.server.createInviteCode | jq -r .code)
  curl -s --json '{{"email":"alice@example.com","handle":"alice.test","password":"alice-pass","inviteCode":"'$CODE'"}}' $PDS/xrpc/com.atproto.server.createAccount | jq
  TOKEN=$(curl -s --json '{{"identifier":"alice.test","password":"alice-pass"}}' $PDS/xrpc/com.atproto.server.createSession | jq -r .accessJwt)
  curl -s -H "Authorization: Bearer $TOKEN" --json '{{"repo":"alice.test","collection":"app.bsky.feed.post","record":{{"text":"Hello, world","createdAt":"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"}}}}' $PDS/xrpc/com.atproto.repo.createRecord | jq
  curl -s "$PDS/xrpc/com.atproto.repo.listRecords?repo=alice.test&collection=app.bsky.feed.post" | jq

Stop with Ctrl-C; the data stays. Delete the data directory to start anew.
"#
    );
}
