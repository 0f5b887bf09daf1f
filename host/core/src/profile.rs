//! Profiles: what an agent may run, touch and spend. Only ever narrowed, never widened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{FileGrants, ProfileName};

/// The profiles of a project, as its configuration defines them.
pub type Profiles = BTreeMap<ProfileName, Profile>;

/// What an agent may run, touch and spend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Which commands it may run.
    pub commands: CommandRules,
    /// Which files it may touch.
    pub files: Arc<FileGrants>,
    /// What each of its runs may spend.
    pub limits: Limits,
    /// Environment variables set in each of its runs.
    pub env: BTreeMap<String, String>,
}

/// Names of the shell, which runs command lines and scripts. It can do no more than the commands that it runs.
pub const SHELLS: [&str; 2] = ["sh", "bash"];

/// Which commands may be run. The default allows none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandRules {
    /// Command names; `*` stands for every command.
    pub allow: Vec<String>,
}

impl CommandRules {
    /// Whether `command` may be run. The shell may be, if anything may.
    pub fn allow(&self, command: &str) -> bool {
        if SHELLS.contains(&command) {
            return !self.allow.is_empty();
        }
        self.allow.iter().any(|rule| rule == "*" || rule == command)
    }
}

/// What one run may spend. Each is a hard limit; reaching `output` truncates, reaching another ends the run
/// or fails the call that would pass it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From start to end.
    pub wall: Duration,
    /// Executing guest code.
    pub cpu: Duration,
    /// Bytes of linear memory and tables, over all instances of the run.
    pub memory: u64,
    /// Bytes of standard output and error together that are kept.
    pub output: u64,
    /// Bytes of staged file content.
    pub staged: u64,
    /// Open files and directories at once, and files in a change set.
    pub files: u32,
    /// Runs of one agent at the same time.
    pub runs: u32,
}

impl Default for Limits {
    /// 60 s wall, 30 s CPU, 512 MiB memory, 1 MiB output, 1 GiB staged, 100,000 files, 4 runs.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(60),
            cpu: Duration::from_secs(30),
            memory: 512 << 20,
            output: 1 << 20,
            staged: 1 << 30,
            files: 100_000,
            runs: 4,
        }
    }
}

/// What a request asks a run to stay within; absent means whatever the profile allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitsRequest {
    /// As [`Limits::wall`].
    pub wall: Option<Duration>,
    /// As [`Limits::cpu`].
    pub cpu: Option<Duration>,
    /// As [`Limits::memory`].
    pub memory: Option<u64>,
    /// As [`Limits::output`].
    pub output: Option<u64>,
}

impl Limits {
    /// These limits, lowered to what was asked for where that is less. Nothing is ever raised.
    #[must_use]
    pub fn narrowed(self, asked: &LimitsRequest) -> Self {
        Self {
            wall: asked.wall.map_or(self.wall, |wall| wall.min(self.wall)),
            cpu: asked.cpu.map_or(self.cpu, |cpu| cpu.min(self.cpu)),
            memory: asked.memory.map_or(self.memory, |memory| memory.min(self.memory)),
            output: asked.output.map_or(self.output, |output| output.min(self.output)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrowing_never_raises_a_limit(wall in 0u64..200_000, memory in 0u64..(4 << 30), output in 0u64..(8 << 20)) {
            let limits = Limits::default();
            let asked = LimitsRequest {
                wall: Some(Duration::from_millis(wall)),
                cpu: Some(Duration::from_millis(wall)),
                memory: Some(memory),
                output: Some(output),
            };
            let narrowed = limits.narrowed(&asked);
            prop_assert!(narrowed.wall <= limits.wall && narrowed.cpu <= limits.cpu);
            prop_assert!(narrowed.memory <= limits.memory && narrowed.output <= limits.output);
            prop_assert_eq!(narrowed.narrowed(&asked), narrowed);
        }
    }

    #[test]
    fn the_default_profile_allows_nothing() {
        let profile = Profile::default();
        assert!(!profile.commands.allow("ls") && !profile.commands.allow("sh"));
        assert!(profile.files.is_read_only() && profile.files.read.is_empty());
    }

    #[test]
    fn a_star_allows_every_command_and_a_name_only_itself() {
        let rules = CommandRules { allow: vec!["ls".into()] };
        assert!(rules.allow("ls") && !rules.allow("lsof"));
        assert!(SHELLS.iter().all(|shell| rules.allow(shell)), "which runs no more than that");
        assert!(CommandRules { allow: vec!["*".into()] }.allow("anything"));
    }
}
