//! What agents did lately, as far as policies are told. Not stored: a restart begins anew.

use std::collections::{BTreeMap, VecDeque};

use crate::decide::Decaying;
use crate::{AgentName, PathPattern, ProjectPath, Timestamp};

/// How many files are remembered that an agent changed.
const FILES: usize = 32;

/// After how long computing counts for half, in milliseconds: an hour.
const HALF_LIFE_MS: u64 = 3_600 * 1_000;

/// What agents did lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lately {
    /// The last last.
    changed: BTreeMap<AgentName, VecDeque<ProjectPath>>,
    cpu_ms: BTreeMap<AgentName, Decaying>,
}

impl Lately {
    /// An agent changed these.
    pub(crate) fn note_changed<'a>(
        &mut self,
        agent: &AgentName,
        paths: impl Iterator<Item = &'a ProjectPath>,
    ) {
        let changed = self.changed.entry(agent.clone()).or_default();
        for path in paths.take(FILES) {
            changed.retain(|known| known != path);
            changed.push_back(path.clone());
        }
        while changed.len() > FILES {
            changed.pop_front();
        }
    }

    /// A run of an agent's computed for as long, in milliseconds.
    pub(crate) fn note_cpu(&mut self, agent: &AgentName, ms: u64, now: Timestamp) {
        let cpu = self.cpu_ms.entry(agent.clone()).or_default();
        *cpu = cpu.plus(ms, now, HALF_LIFE_MS);
    }

    /// For how long its runs computed, in milliseconds.
    pub(crate) fn cpu_ms(&self, agent: &AgentName, now: Timestamp) -> u64 {
        self.cpu_ms.get(agent).map_or(0, |cpu| cpu.at(now, HALF_LIFE_MS))
    }

    /// How many of the files that an agent changed last these patterns match.
    pub(crate) fn near(&self, agent: &AgentName, touches: &[PathPattern]) -> u32 {
        let changed = self.changed.get(agent).into_iter().flatten();
        let near = changed.filter(|path| touches.iter().any(|touched| touched.matches(path))).count();
        u32::try_from(near).unwrap_or(u32::MAX)
    }

    /// The agent is no more.
    pub(crate) fn forget(&mut self, agent: &AgentName) {
        self.changed.remove(agent);
        self.cpu_ms.remove(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_files_are_remembered_each_once() {
        let agent: AgentName = "ann".parse().unwrap();
        let path = |number: usize| -> ProjectPath { format!("src/{number}").parse().unwrap() };
        let touches = |text: &str| -> [PathPattern; 1] { [text.parse().unwrap()] };
        let mut lately = Lately::default();
        for number in [1, 2, 1] {
            lately.note_changed(&agent, [path(number)].iter());
        }
        assert_eq!(lately.near(&agent, &touches("src/**")), 2);
        assert_eq!(lately.near(&agent, &touches("docs/**")), 0);
        lately.note_changed(&agent, (10..40).map(path).collect::<Vec<_>>().iter());
        assert_eq!(lately.near(&agent, &touches("src/**")), 32);
        assert_eq!(lately.near(&agent, &touches("src/2")), 1, "1 came again after it");
        lately.note_changed(&agent, [path(50)].iter());
        assert_eq!(lately.near(&agent, &touches("src/2")), 0);
        lately.forget(&agent);
        assert_eq!(lately.near(&agent, &touches("src/**")), 0);
    }
}
