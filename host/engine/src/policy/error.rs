//! Why something is no policy, and what a policy does wrong.

use std::fmt;

/// Why a component cannot be a policy, or not with this configuration. The texts are for whoever uploaded it.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Too large to be looked at.
    #[error("it has {bytes} bytes, and a policy may have {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Something else, or damaged.
    #[error(
        "it is no WebAssembly component ({0}); build one from a module with `wasm-tools component new`, or take one of examples/policies as a start"
    )]
    NotAComponent(String),
    /// It wants to call what policies do not get.
    #[error(
        "it imports {0}; a policy gets nothing but longhouse:policy/types and longhouse:policy/console, because its decisions are made again in replays. Build it without WASI (Rust: wasm32-unknown-unknown; JavaScript and Python: --stub-wasi)"
    )]
    Imports(String),
    /// For another version of the interface.
    #[error("it is built for longhouse:policy@{}, and this server has {}.{}.x; build it again with the wit/ of this server", .found.as_deref().unwrap_or("(no version)"), .ours.0, .ours.1)]
    WrongVersion {
        /// The version that it is for.
        found: Option<String>,
        /// Ours.
        ours: (u64, u64),
    },
    /// It exports nothing that makes a policy.
    #[error("it exports {}, which is no policy: a scheduler exports lifecycle and ranking (and selection, if it also chooses), a conflict policy lifecycle and locking, an admission policy lifecycle and review, all of longhouse:policy", list(.exports))]
    NoPolicy {
        /// What it exports.
        exports: Vec<String>,
    },
    /// It is valid and could not be compiled.
    #[error("it could not be compiled: {0}")]
    Compile(String),
    /// What it says of itself is too long, or empty.
    #[error("its description is not one: {0}")]
    Description(&'static str),
    /// It refused its configuration.
    #[error("it refuses its configuration: {0}")]
    Configuration(String),
    /// It failed while it was being set up.
    #[error("{0} while it was being set up")]
    Setup(Fault),
    /// It failed when it was tried.
    #[error("{0} when it was tried")]
    Tried(Fault),
}

/// What a policy did wrong in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It gave up; the text says how, and what it had printed.
    Trapped(String),
    /// It needed more than its fuel.
    OutOfFuel,
    /// It asked for more than its memory.
    OutOfMemory,
    /// Its answer breaks the rules of the function.
    BadAnswer(String),
}

impl Fault {
    /// As events and the API name it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Trapped(_) => "trapped",
            Self::OutOfFuel => "out_of_fuel",
            Self::OutOfMemory => "out_of_memory",
            Self::BadAnswer(_) => "bad_answer",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trapped(why) => write!(f, "it trapped ({why})"),
            Self::OutOfFuel => f.write_str("it ran out of fuel"),
            Self::OutOfMemory => f.write_str("it asked for more memory than it may have"),
            Self::BadAnswer(why) => write!(f, "its answer broke the rules ({why})"),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
