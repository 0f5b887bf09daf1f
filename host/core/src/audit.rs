//! What was refused for want of a right, as admins are told of it.

use crate::{AgentName, Refusal, RunId, Verb};

/// So many different things that were refused are named, of each kind.
pub const MOST_NAMED: usize = 20;

/// Of a longer name this much is kept, in bytes.
const LONGEST_NAME: usize = 1_024;

/// One kind of refusal: whom, what, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Denial {
    /// Who tried.
    pub agent: AgentName,
    /// In which run; `None` of a call.
    pub run: Option<RunId>,
    /// What was tried.
    pub act: Act,
    /// What refused it, as it is called in the configuration of a profile, such as `files.deny: **/.env*`.
    pub rule: String,
}

/// What an agent tries for which it needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Something with a path of the project.
    File(Verb),
    /// Running a command.
    Run,
    /// A request for which its role is too low.
    Call,
}

/// Refusals of one kind, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Of which.
    pub denial: Denial,
    /// How many there were.
    pub count: u64,
    /// Which paths, commands or requests: the first [`MOST_NAMED`] that differ.
    pub named: Vec<String>,
}

impl Act {
    /// The name that the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File(verb) => verb.as_str(),
            Self::Run => "run",
            Self::Call => "call",
        }
    }
}

impl std::str::FromStr for Act {
    type Err = UnknownAct;

    fn from_str(text: &str) -> Result<Self, UnknownAct> {
        let all = Verb::ALL.map(Self::File).into_iter().chain([Self::Run, Self::Call]);
        all.into_iter().find(|act| act.as_str() == text).ok_or(UnknownAct)
    }
}

/// There is no such act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of read, write, create, delete, run, call")]
pub struct UnknownAct;

impl Denied {
    /// None of this kind yet.
    pub const fn none(denial: Denial) -> Self {
        Self { denial, count: 0, named: Vec::new() }
    }

    /// Adds some of the same kind.
    pub fn add(&mut self, count: u64, named: impl IntoIterator<Item = String>) {
        self.count = self.count.saturating_add(count);
        for mut name in named {
            name.truncate(name.floor_char_boundary(LONGEST_NAME));
            if self.named.len() == MOST_NAMED {
                return;
            }
            if !self.named.contains(&name) {
                self.named.push(name);
            }
        }
    }
}

impl Refusal {
    /// What was tried, the rule that refused it, and what it was about, if a right was wanting.
    pub fn denies(&self) -> Option<(Act, String, String)> {
        match self {
            Self::RoleTooLow { has, needs, .. } => {
                Some((Act::Call, format!("role: {has}"), format!("what needs {needs}")))
            }
            Self::CommandDenied { command, .. } => Some((Act::Run, "commands".to_owned(), command.clone())),
            Self::NotAdmitted(reason) => Some((Act::Run, "admission".to_owned(), reason.clone())),
            Self::OperatorOnly => {
                Some((Act::Call, "operator".to_owned(), "what is the operator's".to_owned()))
            }
            Self::CallerGone(_)
            | Self::AgentExists(_)
            | Self::NoSuchAgent(_)
            | Self::NoSuchProfile { .. }
            | Self::TokenExists
            | Self::EmptyCommand
            | Self::TooManyRuns { .. }
            | Self::NoEarlierPolicy(_)
            | Self::KeyReused
            | Self::Superseded
            | Self::Task(_)
            | Self::Lock(_)
            | Self::NoSuchRun(_)
            | Self::Talk(_)
            | Self::Crew(_)
            | Self::Commit(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_differ_are_named_and_all_are_counted() {
        let act = Act::File(Verb::Read);
        let denial =
            Denial { agent: "a".parse().unwrap(), run: None, act, rule: "files.deny: x/**".to_owned() };
        let mut denied = Denied::none(denial);
        for n in 0..100 {
            denied.add(2, [format!("x/{}", n / 2)]);
        }
        assert_eq!((denied.count, denied.named.len()), (200, MOST_NAMED));
        assert_eq!(denied.named.last().map(String::as_str), Some("x/19"));
        denied.named.clear();
        denied.add(1, ["é".repeat(1_000)]);
        assert_eq!(denied.named, ["é".repeat(512)]);
    }

    #[test]
    fn an_act_is_read_as_it_is_written() {
        for act in Verb::ALL.map(Act::File).into_iter().chain([Act::Run, Act::Call]) {
            assert_eq!(act.as_str().parse(), Ok(act));
        }
        assert_eq!("look".parse::<Act>(), Err(UnknownAct));
    }
}
