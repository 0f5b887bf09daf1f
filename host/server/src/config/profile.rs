//! `[profiles.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use longhouse_core::{CommandRules, FileGrants, Limits, PathPattern, Profile};
use serde::{Deserialize, Deserializer, de};

/// A profile as it was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    files: RawFiles,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    env: RawEnv,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFiles {
    read: Vec<String>,
    write: Vec<String>,
    create: Option<Vec<String>>,
    delete: Option<Vec<String>>,
    deny: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    #[serde(deserialize_with = "duration")]
    wall: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    cpu: Option<Duration>,
    memory: Option<ByteSize>,
    output: Option<ByteSize>,
    staged: Option<ByteSize>,
    files: Option<u32>,
    runs: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawEnv {
    set: BTreeMap<String, String>,
}

impl RawProfile {
    /// The profile, or the key that is wrong and why.
    pub(super) fn validate(self) -> Result<Profile, (String, String)> {
        let RawProfile { commands, files, limits, env } = self;
        let default = Limits::default();
        let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.as_u64());
        Ok(Profile {
            commands: CommandRules { allow: commands },
            files: Arc::new(files.validate()?),
            limits: Limits {
                wall: limits.wall.unwrap_or(default.wall),
                cpu: limits.cpu.unwrap_or(default.cpu),
                memory: bytes(limits.memory, default.memory),
                output: bytes(limits.output, default.output),
                staged: bytes(limits.staged, default.staged),
                files: limits.files.unwrap_or(default.files),
                runs: limits.runs.unwrap_or(default.runs),
            },
            env: env.validate()?,
        })
    }
}

impl RawFiles {
    fn validate(self) -> Result<FileGrants, (String, String)> {
        let Self { read, write, create, delete, deny } = self;
        Ok(FileGrants {
            read: globs("read", read)?,
            write: globs("write", write)?,
            create: create.map(|create| globs("create", create)).transpose()?,
            delete: delete.map(|delete| globs("delete", delete)).transpose()?,
            deny: globs("deny", deny)?,
            within: None,
        })
    }
}

fn globs(verb: &str, texts: Vec<String>) -> Result<Vec<PathPattern>, (String, String)> {
    let glob = |text: String| {
        PathPattern::parse(&text).map_err(|error| (format!("files.{verb}"), format!("{text:?}: {error}")))
    };
    texts.into_iter().map(glob).collect()
}

impl RawEnv {
    fn validate(self) -> Result<BTreeMap<String, String>, (String, String)> {
        match self.set.keys().find(|name| !is_env_name(name)) {
            Some(name) => Err(("env.set".into(), format!("{name:?} cannot name an environment variable"))),
            None => Ok(self.set),
        }
    }
}

/// Whether an environment variable can have this name.
pub(crate) fn is_env_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = humantime::parse_duration(&text);
    parsed
        .map(Some)
        .map_err(|error| de::Error::custom(format!("{text:?} is no duration such as \"60s\": {error}")))
}
