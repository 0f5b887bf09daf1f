//! The coordination state of one project: everything that is not terminal.

use std::collections::BTreeMap;

use crate::{
    Agent, AgentName, BootNumber, Command, Consumption, Directory, EventSeq, LiveRun, Outcome, Output,
    Profiles, RunId, RunRecord, RunStatus, Timestamp, Token, TokenHash,
};

/// What the coordinator knows. Only [`step`](crate::step) changes it, and nobody else reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(crate) boot: BootNumber,
    pub(crate) last_run: u32,
    pub(crate) last_event: EventSeq,
    pub(crate) agents: BTreeMap<AgentName, Agent>,
    pub(crate) tokens: BTreeMap<TokenHash, Token>,
    pub(crate) profiles: Profiles,
    pub(crate) runs: BTreeMap<RunId, LiveRun>,
}

/// What a state is rebuilt from: the stored truth, and the configuration in force.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// The number of the boot this state serves.
    pub boot: Option<BootNumber>,
    /// The number of the last run begun in this boot; 0 when it has just begun.
    pub last_run: u32,
    /// The last event stored.
    pub last_event: u64,
    /// Every agent.
    pub agents: Vec<Agent>,
    /// Every token.
    pub tokens: Vec<Token>,
    /// The profiles in force.
    pub profiles: Profiles,
    /// Every job whose record says that it is running.
    pub runs: Vec<LiveRun>,
}

impl State {
    /// The state that `seed` describes.
    pub fn rebuild(seed: Seed) -> Self {
        Self {
            boot: seed.boot.unwrap_or(BootNumber(1)),
            last_run: seed.last_run,
            last_event: EventSeq(seed.last_event),
            agents: seed.agents.into_iter().map(|agent| (agent.name.clone(), agent)).collect(),
            tokens: seed.tokens.into_iter().map(|token| (token.hash, token)).collect(),
            profiles: seed.profiles,
            runs: seed.runs.into_iter().map(|run| (run.id, run)).collect(),
        }
    }

    /// The ends of runs that an earlier boot left unfinished, to be stepped before anything else.
    pub fn interrupted(&self, now: Timestamp) -> Vec<Command> {
        let unfinished = self.runs.values().filter(|run| run.id.boot != self.boot);
        unfinished.map(|run| Command::EndRun(Box::new(interrupted_record(run, now)))).collect()
    }

    /// A picture of agents and tokens for authentication.
    pub fn directory(&self) -> Directory {
        Directory::new(self.agents.values(), self.tokens.values())
    }

    /// The profiles in force, which are configuration and therefore not stored.
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The number of the last run begun in this boot.
    pub const fn last_run(&self) -> u32 {
        self.last_run
    }

    pub(crate) fn live_runs_of(&self, agent: &AgentName) -> u32 {
        let live = self.runs.values().filter(|run| run.agent == *agent).count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }
}

fn interrupted_record(run: &LiveRun, now: Timestamp) -> RunRecord {
    RunRecord {
        id: run.id,
        agent: run.agent.clone(),
        argv: run.argv.clone(),
        cwd: run.cwd.clone(),
        started_at: run.started_at,
        status: RunStatus::Ended {
            outcome: Outcome::Killed("the server restarted while it ran".to_owned()),
            consumption: Consumption { wall: now.since(run.started_at), ..Consumption::default() },
            at: now,
        },
        output: Output::default(),
    }
}
