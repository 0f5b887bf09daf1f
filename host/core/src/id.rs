//! Names and numbers, each a type of its own. Text is parsed once, at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text that is not an id of the kind it was parsed as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    /// What was given, cut to 64 characters.
    pub text: String,
    /// What would have been accepted, in words.
    pub expected: &'static str,
}

impl InvalidId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), expected }
    }
}

/// Declares a text of its own type: what `$is` accepts.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $is:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if $is(text) { Ok(Self(text.into())) } else { Err(InvalidId::new(text, $expected)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of an agent, unique in its project.
    AgentName,
    is_agent_name,
    "an agent name (1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit, and not \"me\")"
);
name!(
    /// The name of a project, unique on its server.
    ProjectName,
    is_name,
    "a project name (1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit)"
);
name!(
    /// The name of a profile in a project's configuration.
    ProfileName,
    is_name,
    "a profile name (1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit)"
);

name!(
    /// The name of a webhook in a project's configuration.
    HookName,
    is_name,
    "a webhook name (1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit)"
);

name!(
    /// Whose models an agent works with, such as `anthropic`: agents of one provider share its rate limits.
    ProviderName,
    is_word,
    "a provider (1 to 64 letters, digits and any of '.', '_', '-', ':', '/', '+')"
);

name!(
    /// A skill that an agent advertises or a task asks for, such as `backend`.
    Capability,
    is_word,
    "a capability (1 to 64 letters, digits and any of '.', '_', '-', ':', '/', '+')"
);
name!(
    /// What tasks are grouped by, such as `area:billing`.
    Label,
    is_word,
    "a label (1 to 64 letters, digits and any of '.', '_', '-', ':', '/', '+')"
);
name!(
    /// What a caller chose so that its request has its effect once, or so that a task exists once.
    Key,
    is_opaque,
    "a key (1 to 128 visible ASCII characters)"
);
name!(
    /// One session of an agent's client, as it calls itself.
    Session,
    is_opaque,
    "a session (1 to 128 visible ASCII characters)"
);

name!(
    /// What agents may follow, without the `#` before it.
    ChannelName,
    is_name,
    "a channel (1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit)"
);
name!(
    /// Where a value of the shared state lies, such as `release/version`.
    StateKey,
    is_key,
    "a key of the shared state (words of letters, digits and any of '.', '_', '-', ':', '+', separated by '/'; at most 256 bytes)"
);

/// Words that are no path out of anywhere.
fn is_key(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.split('/').all(|word| is_part(word) && !matches!(word, "." | ".."))
}

fn is_part(word: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b':' | b'+');
    !word.is_empty() && word.bytes().all(plain)
}

/// In addresses, `me` is whoever asks.
fn is_agent_name(text: &str) -> bool {
    is_name(text) && text != "me"
}

fn is_word(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b':' | b'/' | b'+');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn is_opaque(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

fn is_name(text: &str) -> bool {
    let lower_or_digit = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(lower_or_digit)
        && text.bytes().all(|c| lower_or_digit(c) || matches!(c, b'.' | b'_' | b'-'))
}

/// Declares a number that is written with a letter before it, counted from 1 and never given twice.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let number = text.strip_prefix($letter).and_then(canonical);
                number.map(Self).ok_or_else(|| InvalidId::new(text, $expected))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

number!(
    /// A task, written `t12`.
    TaskId,
    "t",
    "a task id such as t12"
);

number!(
    /// A lock, written `l7`.
    LockId,
    "l",
    "a lock id such as l7"
);

number!(
    /// A message, written `m3`.
    MessageId,
    "m",
    "a message id such as m3"
);

/// The version of a value of the shared state: from one counter over all keys, so that none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateVersion(pub u64);

impl StateVersion {
    /// Of a key without a value.
    pub const ABSENT: Self = Self(0);
}

impl fmt::Display for StateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that every grant of a lease or a lock carries: strictly increasing over the whole store, so
/// that whoever holds an older grant can be told from whoever holds it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often this project has been opened by a server, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootNumber(pub u32);

/// A run, written `r3-907`: the boot it began in, and its number within that boot.
///
/// The boot number is in the id because a run's record may be lost with the last milliseconds before a
/// crash; without it the same id could then be given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId {
    /// The boot the run began in.
    pub boot: BootNumber,
    /// Counted from 1 within the boot.
    pub number: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}-{}", self.boot.0, self.number)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || {
            let (boot, number) = text.strip_prefix('r')?.split_once('-')?;
            Some(Self { boot: BootNumber(canonical(boot)?), number: canonical(number)? })
        };
        parse().ok_or_else(|| InvalidId::new(text, "a run id such as r3-907"))
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

/// The number in `digits`, if written as we would write it: no sign, no leading zero.
fn canonical<T: FromStr>(digits: &str) -> Option<T> {
    let plain = digits.bytes().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The position of an event in the project's history, strictly increasing from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventSeq(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reads_back_as_it_was_written() {
        let id = RunId { boot: BootNumber(3), number: 907 };
        assert_eq!(id.to_string(), "r3-907");
        assert_eq!("r3-907".parse(), Ok(id));
    }

    #[test]
    fn text_that_is_no_run_id_is_refused() {
        for text in ["", "r", "r3", "r3-", "r-3", "3-907", "r03-907", "r3-+7", "r3-907-1", "r3-99999999999"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn keys_of_the_shared_state_are_words_between_slashes() {
        for text in ["a", "release/version", "A/b.c/d:e+f_g-h", &"k".repeat(256)] {
            assert!(text.parse::<StateKey>().is_ok(), "{text:?} was refused");
        }
        for text in ["", "/", "/a", "a/", "a//b", "a/../b", ".", "a b", "ä", &"k".repeat(257)] {
            assert!(text.parse::<StateKey>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        for text in ["a", "agent-7", "0x", "a.b_c-d"] {
            assert!(text.parse::<AgentName>().is_ok(), "{text:?} was refused");
        }
        for text in ["", "-a", ".", "..", "A", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(text.parse::<AgentName>().is_err(), "{text:?} was accepted");
        }
    }
}
