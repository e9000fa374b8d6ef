//! What all HTTP clients of the server have in common.

use reqwest::{Client, ClientBuilder, redirect};

/// A client that says who we are, follows no redirects and asks no proxies; timeouts and the rest are up to the caller.
pub fn client_builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("pds/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
}
