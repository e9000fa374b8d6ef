//! What an operation makes of a DID: its keys, names and services.

use std::collections::BTreeMap;

use atproto_data::{Handle, Value};
use serde::{Deserialize, Serialize};

/// The verification method that signs an account's repository.
pub const ATPROTO_KEY: &str = "atproto";
/// The service that hosts an account's repository.
pub const ATPROTO_PDS: &str = "atproto_pds";
/// The type of the service [`ATPROTO_PDS`].
pub const ATPROTO_PDS_TYPE: &str = "AtprotoPersonalDataServer";
/// What a handle in `alsoKnownAs` starts with.
pub const HANDLE_PREFIX: &str = "at://";

/// One service of a DID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What the service is, for example [`ATPROTO_PDS_TYPE`].
    #[serde(rename = "type")]
    pub service_type: String,
    /// Its URL.
    pub endpoint: String,
}

impl Service {
    /// The PDS at `endpoint`, an http(s) URL without a path.
    pub fn pds(endpoint: &str) -> Service {
        Service {
            service_type: ATPROTO_PDS_TYPE.to_owned(),
            endpoint: endpoint.to_owned(),
        }
    }
}

/// The state of a DID after an operation (specification, "How it works"), as `GET /<did>/data` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// `did:key`s that may sign the next operation, the most powerful first. Not shown in the DID document.
    pub rotation_keys: Vec<String>,
    /// `did:key`s by name without `#`, for example [`ATPROTO_KEY`].
    pub verification_methods: BTreeMap<String, String>,
    /// URIs of the DID's other names, the preferred first.
    pub also_known_as: Vec<String>,
    /// Services by name without `#`, for example [`ATPROTO_PDS`].
    pub services: BTreeMap<String, Service>,
}

impl State {
    /// The state of an AT Protocol account: `signing_key` and `rotation_keys` as `did:key`, `pds` an http(s) URL.
    pub fn for_account(signing_key: &str, handle: &Handle, pds: &str, rotation_keys: Vec<String>) -> State {
        let mut state = State {
            rotation_keys,
            ..State::default()
        };
        state.set_signing_key(signing_key);
        state.set_handle(handle);
        state.set_pds(pds);
        state
    }

    /// The `did:key` that signs the account's repository.
    pub fn signing_key(&self) -> Option<&str> {
        self.verification_methods.get(ATPROTO_KEY).map(String::as_str)
    }

    /// The endpoint of the service `atproto_pds`, whatever its type.
    pub fn pds_endpoint(&self) -> Option<&str> {
        self.services.get(ATPROTO_PDS).map(|service| service.endpoint.as_str())
    }

    /// Makes the `did:key` the one that signs the account's repository.
    pub fn set_signing_key(&mut self, signing_key: &str) {
        self.verification_methods
            .insert(ATPROTO_KEY.to_owned(), signing_key.to_owned());
    }

    /// Makes the http(s) URL the account's PDS.
    pub fn set_pds(&mut self, endpoint: &str) {
        self.services.insert(ATPROTO_PDS.to_owned(), Service::pds(endpoint));
    }

    /// Puts the handle in the place of the first `at://` name, or first if there is none; other names stay.
    ///
    /// A second mention of the new name goes, because a directory refuses names given twice.
    pub fn set_handle(&mut self, handle: &Handle) {
        let name = format!("{HANDLE_PREFIX}{handle}");
        let place = self
            .also_known_as
            .iter()
            .position(|known| known.starts_with(HANDLE_PREFIX));
        match place {
            Some(place) => self.also_known_as[place].clone_from(&name),
            None => self.also_known_as.insert(0, name.clone()),
        }
        let place = place.unwrap_or(0);
        let mut index = 0;
        self.also_known_as.retain(|known| {
            index += 1;
            index - 1 == place || *known != name
        });
    }

    /// The four fields as they stand in an operation's DAG-CBOR.
    pub(crate) fn to_fields(&self) -> [(String, Value); 4] {
        let strings = |list: &[String]| Value::Array(list.iter().cloned().map(Value::String).collect());
        let methods = self
            .verification_methods
            .iter()
            .map(|(id, key)| (id.clone(), Value::String(key.clone())));
        let services = self.services.iter().map(|(id, service)| {
            let fields = [
                ("type".to_owned(), Value::String(service.service_type.clone())),
                ("endpoint".to_owned(), Value::String(service.endpoint.clone())),
            ];
            (id.clone(), Value::Map(fields.into_iter().collect()))
        });
        [
            ("rotationKeys".to_owned(), strings(&self.rotation_keys)),
            ("verificationMethods".to_owned(), Value::Map(methods.collect())),
            ("alsoKnownAs".to_owned(), strings(&self.also_known_as)),
            ("services".to_owned(), Value::Map(services.collect())),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn names_after(before: &[&str], handle: &str) -> Vec<String> {
        let also_known_as = before.iter().map(ToString::to_string).collect();
        let mut state = State {
            also_known_as,
            ..State::default()
        };
        state.set_handle(&handle.parse().unwrap());
        state.also_known_as
    }

    #[test]
    fn set_handle_keeps_other_names() {
        assert_eq!(names_after(&[], "a.test"), ["at://a.test"]);
        assert_eq!(names_after(&["at://b.test"], "a.test"), ["at://a.test"]);
        assert_eq!(
            names_after(&["https://b.test"], "a.test"),
            ["at://a.test", "https://b.test"]
        );
        assert_eq!(
            names_after(&["https://b.test", "at://c.test", "at://d.test"], "a.test"),
            ["https://b.test", "at://a.test", "at://d.test"]
        );
        assert_eq!(names_after(&["at://b.test", "at://a.test"], "a.test"), ["at://a.test"]);
    }

    #[test]
    fn account_state() {
        let state = State::for_account(
            "did:key:zA",
            &"a.test".parse().unwrap(),
            "https://pds.test",
            vec!["did:key:zB".into()],
        );
        assert_eq!(
            serde_json::to_value(&state).unwrap(),
            serde_json::json!({
                "rotationKeys": ["did:key:zB"],
                "verificationMethods": {"atproto": "did:key:zA"},
                "alsoKnownAs": ["at://a.test"],
                "services": {"atproto_pds": {"type": "AtprotoPersonalDataServer", "endpoint": "https://pds.test"}},
            })
        );
        assert_eq!(state.signing_key(), Some("did:key:zA"));
        assert_eq!(state.pds_endpoint(), Some("https://pds.test"));
    }
}
