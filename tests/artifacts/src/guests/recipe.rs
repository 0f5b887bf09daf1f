//! What `tool.toml` says, and what the host is told.

use serde::{Deserialize, Serialize};

/// `plugins/tools/<name>/tool.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub name: String,
    pub summary: String,
    pub commands: Vec<String>,
    #[serde(rename = "crate")]
    pub krate: Crate,
    /// What is built unless everything is asked for.
    pub reduced: Option<Reduced>,
}

/// A published crate with a binary.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    pub name: String,
    pub version: String,
    pub binary: String,
    #[serde(default)]
    pub features: Vec<String>,
    /// Whether more time is taken to make it faster.
    #[serde(default)]
    pub optimise: bool,
}

/// Part of a tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reduced {
    pub commands: Vec<String>,
    pub features: Vec<String>,
}

/// What lies beside a component, for the host.
#[derive(Serialize)]
pub struct Manifest<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub summary: &'a str,
    pub commands: &'a [String],
}
