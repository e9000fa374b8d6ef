//! Whether a DID says that its account is hosted here.

use atproto_data::{Did, SigningKey};
use atproto_plc::state::ATPROTO_KEY;

use super::{Accounts, ActivateError};

const UNRESOLVED: ActivateError = ActivateError::Did("Could not resolve DID");

impl Accounts {
    /// Whether a DID, as it is at this moment, names this server and the account's key, and, if it is a did:plc, lets this server
    /// change it.
    pub(super) async fn check_did(&self, did: &Did, key: &SigningKey) -> Result<(), ActivateError> {
        if did.method() != "plc" {
            return self.check_document(did, key).await;
        }
        let last = self.0.plc.last_operation(did).await?;
        let state = last.and_then(|last| last.state()).ok_or(UNRESOLVED)?;
        let own = self.0.settings.plc_rotation_key.public_key().to_did_key();
        if !state.rotation_keys.contains(&own) {
            return Err(ActivateError::Did("Server rotation key not included in PLC DID data"));
        }
        self.check_claims(state.pds_endpoint(), state.signing_key(), key)
    }

    async fn check_document(&self, did: &Did, key: &SigningKey) -> Result<(), ActivateError> {
        let resolved = self.0.dids.refresh(did).await;
        let resolved = resolved.inspect_err(|error| tracing::info!(%error, %did, "an account cannot be activated"));
        let resolved = resolved.ok().flatten().ok_or(UNRESOLVED)?;
        let document = &resolved.document;
        let signs = document.signing_key(ATPROTO_KEY).map(|key| key.to_did_key());
        self.check_claims(document.pds_endpoint(), signs.as_deref(), key)
    }

    fn check_claims(&self, endpoint: Option<&str>, signs: Option<&str>, key: &SigningKey) -> Result<(), ActivateError> {
        if endpoint != Some(self.0.settings.public_url.as_str()) {
            return Err(ActivateError::Did(
                "DID document atproto_pds service endpoint does not match PDS public url",
            ));
        }
        if signs != Some(key.public_key().to_did_key().as_str()) {
            return Err(ActivateError::Did(
                "DID document verification method does not match expected signing key",
            ));
        }
        Ok(())
    }
}
