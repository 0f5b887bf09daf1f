//! `[webhooks.NAME]`

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use longhouse_core::{HookName, InvalidId};
use reqwest::Url;
use serde::Deserialize;

/// How a secret is written: this, and base64.
const PREFIX: &str = "whsec_";

/// The fewest bytes of a secret.
const MIN_SECRET: usize = 24;

/// Somebody who is told of what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called.
    pub name: HookName,
    /// Where it is.
    pub url: Url,
    /// What proves to it that we are the sender.
    pub secret: Secret,
    /// Of which types of events; of all if empty. `task.` stands for all that begin so.
    pub types: Vec<String>,
}

/// Bytes that are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Box<[u8]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    url: String,
    secret: String,
    #[serde(default)]
    types: Vec<String>,
}

impl RawWebhook {
    /// An error names the field, with a dot before it, and what is wrong.
    pub(super) fn validate(self, name: &str) -> Result<Webhook, (&'static str, String)> {
        let name = name.parse().map_err(|error: InvalidId| ("", error.to_string()))?;
        let url: Url = self.url.parse().map_err(|error| (".url", format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err((".url", format!("{} is neither http nor https", url.scheme())));
        }
        let wrong = || (".secret", format!("is not {PREFIX} and at least {MIN_SECRET} bytes in base64"));
        let secret = self.secret.strip_prefix(PREFIX).ok_or_else(wrong)?;
        let secret = BASE64_STANDARD.decode(secret).map_err(|_| wrong())?;
        if secret.len() < MIN_SECRET {
            return Err(wrong());
        }
        Ok(Webhook { name, url, secret: Secret(secret.into()), types: self.types })
    }
}
