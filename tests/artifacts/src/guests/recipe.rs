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
    /// What is changed in the sources of the crate, and of those that it is built from.
    #[serde(default, rename = "edit")]
    pub edits: Vec<Edit>,
    /// What the host presents where there is no standard input: `nothing`, unless said, or a `terminal`.
    pub without_stdin: Option<String>,
    /// What is built unless everything is asked for.
    pub reduced: Option<Reduced>,
    /// Whether it is built only if everything is asked for.
    #[serde(default)]
    pub complete_only: bool,
}

/// A crate with a binary.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    pub name: String,
    /// Of a published crate. Without one it is the crate that lies beside the recipe, and the manifest there has it.
    pub version: Option<String>,
    pub binary: String,
    #[serde(default)]
    pub features: Vec<String>,
    /// Whether more time is taken to make it faster.
    #[serde(default)]
    pub optimise: bool,
}

/// A place in the source of a published crate, and what is to stand there: where a few words make the difference between a
/// program that needs an operating system and one that does not. It is an error if `old` does not stand there exactly once;
/// without it, `new` is the whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    #[serde(rename = "crate")]
    pub krate: String,
    pub file: String,
    pub old: Option<String>,
    pub new: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_stdin: Option<&'a str>,
}
