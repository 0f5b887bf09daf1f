//! Random histories against a reference model and against a store that knows only rows; then one test for each
//! promise that is easily broken by hand.

mod history;
mod model;
mod promises;
mod reachable;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use history::any_history;
use model::{Model, Stage, everybody, role};
use proptest::test_runner::{Config, TestError, TestRunner};

use super::super::crew::tests::CrewStore;
use crate::*;

type Reason = &'static str;

/// What a reply says, as far as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Reserved(ReservationId, Option<Hold>, u64),
    Intended(u64),
    Committed(u64),
    Unfinished(Vec<(u64, bool)>),
    Done,
    Refused(Reason),
}

impl Said {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Reserved(..) => "reserved",
            Self::Intended(_) => "intended",
            Self::Committed(_) => "committed",
            Self::Unfinished(list) if list.is_empty() => "none",
            Self::Unfinished(_) => "some",
            Self::Done => "done",
            Self::Refused(reason) => reason,
        }
    }
}

fn said(reply: &Reply) -> Said {
    match reply {
        Reply::Done => Said::Done,
        Reply::Commit(CommitReply::Reserved(reserved)) => {
            Said::Reserved(reserved.reservation, reserved.task, reserved.deadline.as_millis())
        }
        Reply::Commit(CommitReply::Intended(number)) => Said::Intended(number.0),
        Reply::Commit(CommitReply::Committed(number)) => Said::Committed(number.0),
        Reply::Commit(CommitReply::Unfinished(list)) => {
            Said::Unfinished(list.iter().map(|one| (one.commit.number.0, one.is_published)).collect())
        }
        Reply::Refused(refusal) => Said::Refused(reason(refusal)),
        reply => panic!("nothing here is answered with {reply:?}"),
    }
}

fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::CallerGone(_) => "caller_gone",
        Refusal::RoleTooLow { .. } => "role_too_low",
        Refusal::OperatorOnly => "operator_only",
        Refusal::KeyReused => "key_reused",
        Refusal::Superseded => "superseded",
        Refusal::Task(TaskRefusal::StaleLease { .. }) => "stale_lease",
        Refusal::Lock(LockRefusal::StaleLock { .. } | LockRefusal::NoSuchLock(_)) => "stale_lock",
        Refusal::Lock(LockRefusal::PathLocked { .. }) => "path_locked",
        Refusal::Commit(refusal) => match refusal {
            CommitRefusal::Busy { .. } => "busy",
            CommitRefusal::PathReserved { .. } => "path_reserved",
            CommitRefusal::StillRunning => "still_running",
            CommitRefusal::NoSuchReservation(_) => "no_such_reservation",
            CommitRefusal::NotReserved { .. } => "not_reserved",
            CommitRefusal::MixedOrigin => "mixed_origin",
            CommitRefusal::NoSuchCommit(_) => "no_such_commit",
            CommitRefusal::WrongStatus { .. } => "wrong_status",
            CommitRefusal::Count { .. }
            | CommitRefusal::TooLong { .. }
            | CommitRefusal::InvalidChange { .. } => panic!("nothing here provokes {refusal:?}"),
        },
        refusal => panic!("nothing here provokes {refusal:?}"),
    }
}

/// What a store keeps, built from rows alone.
#[derive(Debug, Clone, Default)]
struct Stored {
    agents: BTreeMap<AgentName, Agent>,
    tasks: BTreeMap<TaskId, Task>,
    locks: BTreeMap<LockId, Lock>,
    replies: Vec<KeptReply>,
    commits: BTreeMap<CommitNumber, (Arc<Commit>, CommitStatus)>,
    unaware: BTreeMap<AgentName, Hold>,
    crew: CrewStore,
    last_lock: u64,
    last_event: u64,
    fence_limit: u64,
    /// What was told of commits, in order.
    told: Vec<(CommitNumber, &'static str)>,
}

impl Stored {
    fn write(&mut self, step: &Step) {
        step.rows.iter().cloned().for_each(|row| self.apply(row));
        for event in &step.events {
            self.last_event += 1;
            assert_eq!(event.seq.0, self.last_event, "a gap in the events");
            if let EventKind::Commit(about) = &event.kind {
                self.told.push((about.commit, about.event.type_name()));
                assert_eq!(event.agent, self.commits[&about.commit].0.agent);
            }
        }
    }

    fn apply(&mut self, row: Row) {
        match row {
            Row::PutAgent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
            Row::DeleteAgent(name) => drop(self.agents.remove(&name)),
            Row::Task(TaskRow::Insert(stored)) => drop(self.tasks.insert(stored.task.id, stored.task)),
            Row::Task(TaskRow::SetState(id, state)) => self.tasks.get_mut(&id).unwrap().state = *state,
            Row::Lock(LockRow::Put(lock)) => {
                self.last_lock = self.last_lock.max(lock.id.0);
                self.locks.insert(lock.id, *lock);
            }
            Row::Lock(LockRow::Delete(id)) => drop(self.locks.remove(&id)),
            Row::SetFenceLimit(limit) => self.fence_limit = limit.0,
            Row::KeepReply(kept) => self.replies.push(*kept),
            Row::ForgetAllReplies(agent) => self.replies.retain(|kept| kept.agent != agent),
            Row::Commit(row) => self.apply_to_commits(row),
            Row::Crew(row) => self.crew.apply(row),
            Row::PutToken(_) | Row::DeleteToken(_) | Row::Task(_) | Row::Talk(TalkRow::RemoveAgent(_)) => {}
            row => panic!("nothing here leads to {row:?}"),
        }
    }

    fn apply_to_commits(&mut self, row: CommitRow) {
        use CommitStatus::{Aborted, Intended, Published, Retired};
        match row {
            CommitRow::Insert(commit) => {
                let next = self.commits.last_key_value().map_or(1, |(last, _)| last.0 + 1);
                assert_eq!(commit.number.0, next, "numbers have a gap, or are given twice");
                self.commits.insert(commit.number, (commit, Intended));
            }
            CommitRow::Publish(number, _) => self.go(number, Intended, Published),
            CommitRow::Abort(number, ..) => self.go(number, Intended, Aborted),
            CommitRow::RetireThrough(last) => {
                for (number, (_, status)) in self.commits.range_mut(..=last) {
                    assert_ne!(*status, Intended, "{number} was finished before it was published");
                    if *status == Published {
                        *status = Retired;
                    }
                }
            }
            CommitRow::PutUnaware(agent, hold) => drop(self.unaware.insert(agent, hold)),
            CommitRow::DeleteUnaware(agent) => assert!(self.unaware.remove(&agent).is_some()),
        }
    }

    fn go(&mut self, number: CommitNumber, from: CommitStatus, to: CommitStatus) {
        let status = &mut self.commits.get_mut(&number).unwrap().1;
        assert_eq!(*status, from, "{number}");
        *status = to;
    }

    fn rebuild(&self, boot: u32, last_reservation: u64, now: u64) -> State {
        let unfinished = self.commits.values().filter(|(_, status)| status.is_unfinished());
        let unfinished = unfinished.map(|(commit, status)| Unfinished {
            commit: Arc::clone(commit),
            is_published: *status == CommitStatus::Published,
        });
        State::rebuild(Seed {
            boot: Some(BootNumber(boot)),
            profiles: profiles(),
            agents: self.agents.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            locks: self.locks.values().cloned().collect(),
            crew: self.crew.seed(),
            replies: self.replies.clone(),
            last_lock: self.last_lock,
            last_event: self.last_event,
            fence_limit: self.fence_limit,
            now: Timestamp::from_millis(now),
            commits: CommitSeed {
                last: self.commits.last_key_value().map_or(0, |(last, _)| last.0),
                last_reservation,
                unfinished: unfinished.collect(),
                unaware: self.unaware.clone().into_iter().collect(),
            },
            ..Seed::default()
        })
    }
}

fn profiles() -> Profiles {
    [("any".parse().unwrap(), Profile::default())].into()
}

fn name(n: u8) -> AgentName {
    format!("agent-{n}").parse().unwrap()
}

fn new_agent(n: u8) -> NewAgent {
    NewAgent {
        name: name(n),
        role: role(n),
        profile: "any".parse().unwrap(),
        capabilities: Vec::new(),
        token: TokenHash([n; 32]),
    }
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

fn version(n: u8) -> Option<Version> {
    Some(Version { kind: EntryKind::File, hash: [n; 32] })
}

/// A new file there, or one that was found.
fn change(text: &str, found: bool) -> Change {
    let operation = if found { Operation::Found } else { Operation::Put { staged: "s".parse().unwrap() } };
    Change { path: path(text), operation, base: None, new: version(1), history: None }
}

/// A coordinator, its store, and the model that watches both.
#[derive(Clone)]
struct World {
    state: State,
    stored: Stored,
    model: Model,
    boot: u32,
    now: u64,
    last_waiter: u64,
    /// Waiters for something else than a change to files.
    others: BTreeSet<Waiter>,
    /// Every reservation that was ever granted, and what for.
    granted: Vec<(ReservationId, Vec<&'static str>)>,
    /// Every lock that was ever taken.
    locks: Vec<(LockId, Fence)>,
    tally: BTreeMap<(&'static str, &'static str), usize>,
    /// What was durable after each of the latest things that happened.
    snapshots: Vec<(Stored, Model)>,
}

const TASKS: usize = 40;

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: Stored::default().rebuild(1, 0, 0),
            stored: Stored::default(),
            model: Model::new(),
            boot: 1,
            now: 0,
            last_waiter: 0,
            others: BTreeSet::new(),
            granted: Vec::new(),
            locks: Vec::new(),
            tally: BTreeMap::new(),
            snapshots: Vec::new(),
        };
        for (n, _) in (0..).zip(everybody()) {
            world.step(Caller::Operator, Command::AddAgent(new_agent(n)), None);
        }
        let task = NewTask {
            body: TaskBody { title: "t".into(), description: "".into() },
            spec: TaskSpec::default(),
            parents: Vec::new(),
        };
        let create = TaskCommand::Create(vec![task; TASKS]);
        world.step(Caller::Agent(name(0)), Command::Task(create), None);
        world
    }

    /// Takes a step, and lets the store and the model know of everything but commits.
    fn step(&mut self, caller: Caller, command: Command, keyed: Option<Keyed>) -> Step {
        self.last_waiter += 1;
        let envelope = Envelope {
            waiter: Waiter(self.last_waiter),
            caller,
            now: Timestamp::from_millis(self.now),
            seed: 0,
            command,
            keyed,
        };
        let step = step(&mut self.state, envelope, &mut HostOrder);
        self.stored.write(&step);
        for event in &step.events {
            self.model.learn(event);
            if let EventKind::Lock(AboutLock { lock, event: LockEvent::Taken { fence, .. } }) = &event.kind {
                self.locks.push((*lock, *fence));
            }
        }
        step
    }

    /// What must hold after each step.
    fn check(&self) {
        let commits = &self.state.commits;
        commits.check_orders();
        self.model.check();
        let (mut waits, mut has, mut flies) = (Vec::new(), Vec::new(), Vec::new());
        for set in &self.model.sets {
            match set.stage {
                Stage::Waits { waiter, until } => waits.push((set.id, waiter, Timestamp::from_millis(until))),
                Stage::Has { deadline, .. } => has.push((set.id, Timestamp::from_millis(deadline))),
                Stage::Flies { number, published, synced, recovered, keeps } => {
                    flies.push((CommitNumber(number), [published, synced, recovered, keeps]));
                }
            }
        }
        flies.sort_unstable();
        let mut follows: Vec<_> = self
            .model
            .followers
            .values()
            .map(|(waiter, until, _)| (*waiter, Timestamp::from_millis(*until)))
            .collect();
        follows.sort_unstable();
        let mut followers = commits.who_follows();
        followers.sort_unstable();
        assert_eq!(commits.who_waits(), waits, "who waits");
        assert_eq!(commits.who_has(), has, "who has its paths");
        assert_eq!(commits.flights(), flies, "what is in flight");
        assert_eq!(followers, follows, "who follows");
        assert_eq!(commits.unaware, self.model.unaware, "who may not know");

        let times = waits.iter().map(|(_, _, at)| at).chain(has.iter().map(|(_, at)| at));
        for due in times.chain(follows.iter().map(|(_, at)| at)) {
            assert!(self.state.next_due().is_some_and(|at| at <= *due), "nobody would wake at {due:?}");
        }
        let rebuilt = self.stored.rebuild(self.boot, commits.last_reservation(), self.now);
        assert_eq!(rebuilt.commits.durable(), commits.durable(), "the rows do not tell the state");
        rebuilt.commits.check_orders();
        let unfinished = rebuilt.commits.recovered().count();
        assert_eq!(unfinished, flies.len(), "a restart would not know what is unfinished");
        let effect = rebuilt.unfinished_effects().contains(&Effect::RecoverCommits);
        assert_eq!(effect, unfinished > 0, "nobody would be told to recover");

        for (number, (_, status)) in &self.stored.commits {
            let told: Vec<_> =
                self.stored.told.iter().filter(|(other, _)| other == number).map(|(_, kind)| *kind).collect();
            let expected: &[&str] = match status {
                CommitStatus::Intended => &[],
                CommitStatus::Published | CommitStatus::Retired => &["commit.published"],
                CommitStatus::Aborted => &["commit.aborted"],
            };
            assert_eq!(told, expected, "what was told of {number}");
        }
    }
}

/// Histories, and things that happen in each.
const HISTORIES: u32 = 800;
const LENGTH: usize = 120;

#[test]
fn every_history_is_as_the_model_says() {
    let tally = RefCell::new(BTreeMap::new());
    let commands = Cell::new(0);
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&any_history(LENGTH), |history| {
        let mut world = World::new();
        history.iter().for_each(|what| world.happen(what));
        for (what, count) in world.tally {
            *tally.borrow_mut().entry(what).or_insert(0) += count;
        }
        commands.set(commands.get() + history.len());
        Ok(())
    });
    let tally = tally.into_inner();
    println!("{} commands", commands.get());
    for ((command, answer), count) in &tally {
        println!("{command:>20} {answer:<20} {count:>6}");
    }
    match ran {
        Ok(()) => {
            assert!(commands.get() >= 20_000);
            let expected = reachable::REACHABLE
                .iter()
                .flat_map(|(command, answers)| answers.split(", ").map(move |answer| (*command, answer)));
            let missing: Vec<_> = expected.filter(|what| !tally.contains_key(what)).collect();
            assert!(missing.is_empty(), "never met: {missing:?}");
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
        Err(TestError::Fail(why, history)) => {
            println!("{why}");
            let mut world = World::new();
            for what in &history {
                println!("{what:?}");
                world.happen(what);
            }
            panic!("it went well the second time");
        }
    }
}
