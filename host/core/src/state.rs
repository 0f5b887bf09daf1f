//! The coordination state of one project: everything that is not terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::commit::Commits;
use crate::crew::Crew;
use crate::lately::Lately;
use crate::lock::Locks;
use crate::queue::Queue;
use crate::remembered::Remembered;
use crate::talk::Talk;
use crate::{
    Agent, AgentFacts, AgentName, BootNumber, Command, CommitSeed, Consumption, CrewSeed, Directory, Effect,
    EventSeq, Fence, KeptReply, LiveRun, Lock, LockId, Outcome, Output, Placing, Policies, Profiles,
    QueueRules, RunId, RunRecord, RunStatus, Stands, TalkSeed, Task, TaskId, Timestamp, Token, TokenHash,
    Unfinished, Waiter,
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
    pub(crate) last_task: TaskId,
    pub(crate) last_fence: Fence,
    /// No fence above this one may be given before that is stored.
    pub(crate) fence_limit: Fence,
    pub(crate) queue: Queue,
    pub(crate) remembered: Remembered,
    pub(crate) last_lock: LockId,
    pub(crate) locks: Locks,
    pub(crate) talk: Talk,
    pub(crate) crew: Crew,
    pub(crate) commits: Commits,
    pub(crate) policies: Policies,
    pub(crate) lately: Lately,
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
    /// When the state begins: each lease and lock has at least its time left from then on, because nobody could renew.
    pub now: Timestamp,
    /// No fence above this one was given.
    pub fence_limit: u64,
    /// Every task that has not ended.
    pub tasks: Vec<Task>,
    /// The others.
    pub ended: Vec<Stands>,
    /// Keys of tasks, ended or not.
    pub task_keys: Vec<(crate::Key, TaskId)>,
    /// The queue's rules in force.
    pub queue_rules: QueueRules,
    /// Answers that are kept.
    pub replies: Vec<KeptReply>,
    /// The number of the last lock ever taken, in force or not.
    pub last_lock: u64,
    /// Every lock in force.
    pub locks: Vec<Lock>,
    /// Messages and shared state.
    pub talk: TalkSeed,
    /// The agents at work.
    pub crew: CrewSeed,
    /// Commits that are not finished.
    pub commits: CommitSeed,
    /// The policies in force.
    pub policies: Policies,
}

impl State {
    /// The state that `seed` describes.
    pub fn rebuild(seed: Seed) -> Self {
        let last_live = seed.tasks.iter().map(|task| task.id).max();
        let last_ended = seed.ended.iter().map(|stands| stands.id).max();
        let boot = seed.boot.unwrap_or(BootNumber(1));
        let mut state = Self {
            boot,
            last_run: seed.last_run,
            last_event: EventSeq(seed.last_event),
            agents: seed.agents.into_iter().map(|agent| (agent.name.clone(), agent)).collect(),
            tokens: seed.tokens.into_iter().map(|token| (token.hash, token)).collect(),
            profiles: seed.profiles,
            runs: seed.runs.into_iter().map(|run| (run.id, run)).collect(),
            last_task: last_live.max(last_ended).unwrap_or(TaskId(0)),
            last_fence: Fence(seed.fence_limit),
            fence_limit: Fence(seed.fence_limit),
            queue: Queue::default(),
            remembered: Remembered::default(),
            last_lock: LockId(seed.last_lock),
            locks: Locks::default(),
            talk: Talk::rebuild(seed.talk),
            crew: Crew::rebuild(seed.crew, seed.now),
            commits: Commits::rebuild(boot, seed.commits),
            policies: seed.policies,
            lately: Lately::default(),
        };
        state.queue.rules = seed.queue_rules;
        state.queue.keys = seed.task_keys.into_iter().collect();
        for Stands { id, status } in seed.ended {
            state.queue.remember_end(id, status);
        }
        for mut task in seed.tasks {
            task.placing = Placing::by_host(&task);
            state.queue.insert(task);
        }
        for lock in seed.locks {
            state.locks.insert(lock);
        }
        state.forgive(seed.now);
        for kept in seed.replies {
            state.remembered.keep(kept);
        }
        state
    }

    /// Gives every lease and every lock at least its whole time from `now` on.
    pub(crate) fn forgive(&mut self, now: Timestamp) {
        let held: Vec<TaskId> =
            self.queue.tasks().filter(|task| task.state.lease.is_some()).map(|task| task.id).collect();
        for id in held {
            self.queue.update(id, |task| {
                if let Some(lease) = &mut task.state.lease {
                    lease.expires_at = lease.expires_at.max(now.plus_millis(lease.ttl_ms));
                    lease.hard_end = lease.hard_end.max(lease.expires_at);
                    lease.progressed_at = lease.progressed_at.max(now);
                }
            });
        }
        self.locks.forgive(now);
        self.crew.forgive(now);
    }

    /// Whoever waits for something to happen.
    pub fn waiters(&self) -> Vec<Waiter> {
        let mut waiters = self.queue.waiting.waiters();
        waiters.extend(self.locks.waiting().map(|lock| lock.waiter));
        waiters.extend(self.talk.waits.waiters());
        waiters.extend(self.commits.waiters());
        waiters
    }

    /// The boot that this state serves.
    pub const fn boot(&self) -> BootNumber {
        self.boot
    }

    /// The last event that happened.
    pub const fn last_event(&self) -> EventSeq {
        self.last_event
    }

    /// When something has to be decided though nobody asks: time for [`Command::Tick`].
    pub fn next_due(&self) -> Option<Timestamp> {
        let task = self.queue.first_due().map(|(at, _)| at);
        let claim = self.queue.waiting.first_until().map(|(at, _)| at);
        let lock = self.locks.first_expiry().map(|(at, _)| at);
        let request = self.locks.first_until();
        let talk = self.talk.waits.first_until().map(|(at, _)| at);
        let crew = self.crew.next_due();
        let commit = self.commits.next_due();
        let ranking = self.queue.ready.next_due();
        [task, claim, self.queue.reopens_at, lock, request, talk, crew, commit, ranking]
            .into_iter()
            .flatten()
            .min()
    }

    /// What begins again when a state does: effects that an earlier process may not have carried out.
    pub fn unfinished_effects(&self) -> Vec<Effect> {
        let checks = self.queue.tasks().filter_map(Effect::of_task);
        let recovery = self.commits.recovered().next().map(|_| Effect::RecoverCommits);
        recovery.into_iter().chain(checks).collect()
    }

    /// Commits that an earlier state left unfinished and nobody has finished since, in the order of numbers.
    pub fn unfinished_commits(&self) -> Vec<Unfinished> {
        let recovered = self.commits.recovered();
        let unfinished = recovered
            .map(|one| Unfinished { commit: Arc::clone(&one.commit), is_published: one.is_published });
        unfinished.collect()
    }

    /// The number of the last reservation asked for in this boot.
    pub const fn last_reservation(&self) -> u64 {
        self.commits.last_reservation()
    }

    /// The ends of runs that an earlier boot left unfinished, to be stepped before anything else.
    pub fn interrupted(&self, now: Timestamp) -> Vec<Command> {
        let unfinished = self.runs.values().filter(|run| run.id.boot != self.boot);
        unfinished.map(|run| Command::EndRun(Box::new(interrupted_record(run, now)))).collect()
    }

    /// A picture of agents and tokens for authentication.
    pub fn directory(&self) -> Directory {
        Directory::new(self.agents.values(), self.tokens.values(), &self.profiles)
    }

    /// The policies in force.
    pub const fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Whether one scheduler is taking over from another.
    pub fn is_being_ranked(&self) -> bool {
        self.queue.ready.next_due().is_some()
    }

    /// The profiles in force, which are configuration and therefore not stored.
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The number of the last run begun in this boot.
    pub const fn last_run(&self) -> u32 {
        self.last_run
    }

    /// What policies are told about an agent.
    pub(crate) fn facts_of(&self, name: &AgentName, now: Timestamp) -> Option<AgentFacts> {
        let held = self.queue.running.held_by(name).len();
        Some(AgentFacts {
            agent: self.agents.get(name)?.clone(),
            tasks_held: u32::try_from(held).unwrap_or(u32::MAX),
            live_runs: self.live_runs_of(name),
            recent_cpu_ms: self.lately.cpu_ms(name, now),
        })
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
        changes: None,
    }
}
