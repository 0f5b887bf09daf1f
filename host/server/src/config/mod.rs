//! `.longhouse/longhouse.toml`: what an operator decides, checked once.

pub(crate) mod profile;
mod webhook;

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhouse_core::{ProfileName, Profiles, ProjectName};
use serde::Deserialize;
use std::collections::BTreeMap;

use profile::RawProfile;
use webhook::RawWebhook;
pub use webhook::{Secret, Webhook};

/// The configuration that `init` writes.
pub const SAMPLE: &str = include_str!("sample.toml");

/// A project's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectConfig {
    /// What the project is called, if not as its directory.
    pub name: Option<ProjectName>,
    /// Its profiles.
    pub profiles: Profiles,
    /// Whom to tell of what happens.
    pub webhooks: Vec<Webhook>,
    /// How long what commits replaced and removed is kept.
    pub keep_history: Duration,
}

/// Why a configuration was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has a key or value that means nothing.
    #[error("mistake in {}", .path.display())]
    Toml {
        /// Which file.
        path: PathBuf,
        /// What and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value cannot be what it should be.
    #[error("mistake in {}: {key}: {reason}", .path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    project: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, RawProfile>,
    #[serde(default)]
    webhooks: BTreeMap<String, RawWebhook>,
    #[serde(default)]
    history: RawHistory,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawHistory {
    keep: Option<String>,
}

/// How long the history is kept, unless said.
const KEEP_HISTORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads the configuration in `text`, which came from `path`.
///
/// # Errors
/// When it has a mistake; nothing of it is used then.
pub fn parse(text: &str, path: &Path) -> Result<ProjectConfig, ConfigError> {
    let raw: RawConfig = toml::from_str(text)
        .map_err(|source| ConfigError::Toml { path: path.to_owned(), source: Box::new(source) })?;
    let value = |key: String, reason: String| ConfigError::Value { path: path.to_owned(), key, reason };
    let name = raw.project.map(|name| name.parse()).transpose();
    let name = name.map_err(|error: longhouse_core::InvalidId| value("project".into(), error.to_string()))?;
    let mut profiles = Profiles::new();
    for (text, raw) in raw.profiles {
        let key = format!("profiles.{text}");
        let name: ProfileName =
            text.parse().map_err(|error: longhouse_core::InvalidId| value(key.clone(), error.to_string()))?;
        let profile = raw.validate().map_err(|(field, reason)| value(format!("{key}.{field}"), reason))?;
        profiles.insert(name, profile);
    }
    let mut webhooks = Vec::new();
    for (text, raw) in raw.webhooks {
        let key = format!("webhooks.{text}");
        let webhook =
            raw.validate(&text).map_err(|(field, reason)| value(format!("{key}{field}"), reason))?;
        webhooks.push(webhook);
    }
    let keep_history = raw.history.keep.map(|keep| humantime::parse_duration(&keep)).transpose();
    let keep_history = keep_history.map_err(|error| value("history.keep".into(), error.to_string()))?;
    let keep_history = keep_history.unwrap_or(KEEP_HISTORY);
    Ok(ProjectConfig { name, profiles, webhooks, keep_history })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<ProjectConfig, String> {
        parse(text, Path::new("longhouse.toml")).map_err(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {source}")
        })
    }

    #[test]
    fn what_init_writes_is_accepted() {
        let config = check(SAMPLE).unwrap();
        let profile = |name: &str| &config.profiles[&name.parse::<ProfileName>().unwrap()];
        assert!(profile("full").commands.allow("anything"));
        assert!(!profile("full").files.is_read_only());
        assert!(profile("read-only").files.is_read_only());
    }

    #[test]
    fn history_is_kept_for_thirty_days_or_as_long_as_is_said() {
        let days = |text| check(text).unwrap().keep_history.as_secs() / (24 * 60 * 60);
        assert_eq!((days(""), days("[history]\nkeep = \"1 week\"")), (30, 7));
    }

    #[test]
    fn limits_have_units() {
        let text = "[profiles.a.limits]\nwall = \"1m 30s\"\nmemory = \"64MiB\"\nruns = 2\n";
        let config = check(text).unwrap();
        let limits = config.profiles.values().next().unwrap().limits;
        assert_eq!((limits.wall, limits.memory, limits.runs), (Duration::from_secs(90), 64 << 20, 2));
        assert_eq!(limits.cpu, longhouse_core::Limits::default().cpu, "what is not said is the default");
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, expected) in [
            ("[profiles.a]\ncommnads = []", "commnads"),
            ("[profiles.a.limits]\nwall = \"soon\"", "soon"),
            ("[profiles.a.limits]\nmemory = \"64 potatoes\"", "potatoes"),
            ("[profiles.A]\n", "profiles.A"),
            ("[profiles.a.files]\nread = [\"a{\"]", "profiles.a.files.read"),
            ("[profiles.a.env]\nset = { \"A=B\" = \"c\" }", "A=B"),
            ("project = \"My Project\"", "My Project"),
            ("[webhooks.a]\nurl = \"ftp://x\"\nsecret = \"whsec_AAAA\"", "webhooks.a.url"),
            ("[webhooks.a]\nurl = \"http://x\"\nsecret = \"AAAA\"", "webhooks.a.secret"),
            ("[webhooks.A]\nurl = \"http://x\"\nsecret = \"whsec_AAAA\"", "webhooks.A"),
            ("[history]\nkeep = \"for ever\"", "history.keep"),
            ("[history]\nkept = \"1d\"", "kept"),
            ("nonsense", "longhouse.toml"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_empty_profile_allows_nothing() {
        let config = check("[profiles.a]\n").unwrap();
        assert_eq!(config.profiles.values().next(), Some(&longhouse_core::Profile::default()));
    }
}
