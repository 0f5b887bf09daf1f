//! Random histories against a reference model and against a store that knows only rows; then one test for each
//! promise that is easily broken by hand.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use model::{Claim, Model, PATHS, PATTERNS, Said, Waits, covered, paths, said};
use proptest::prelude::*;

use crate::*;

/// What a store keeps, built from rows alone.
#[derive(Debug, Default)]
struct Stored {
    agents: BTreeMap<AgentName, Agent>,
    tasks: BTreeMap<TaskId, Task>,
    locks: BTreeMap<LockId, Lock>,
    replies: Vec<KeptReply>,
    last_lock: u64,
    last_event: u64,
    fence_limit: u64,
}

impl Stored {
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
            Row::Lock(LockRow::Delete(id)) => {
                assert!(self.locks.remove(&id).is_some(), "{id} was not stored");
            }
            Row::SetFenceLimit(limit) => self.fence_limit = limit.0,
            Row::KeepReply(kept) => self.replies.push(*kept),
            Row::ForgetAllReplies(agent) => self.replies.retain(|kept| kept.agent != agent),
            Row::PutToken(_) | Row::DeleteToken(_) | Row::PutRun(_) | Row::Task(_) => {}
            Row::ForgetReplies(..) | Row::SetQueueRules(_) => panic!("nothing here leads to {row:?}"),
        }
    }

    fn rebuild(&self, now: u64) -> State {
        State::rebuild(Seed {
            profiles: profiles(),
            agents: self.agents.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            locks: self.locks.values().cloned().collect(),
            replies: self.replies.clone(),
            last_lock: self.last_lock,
            last_event: self.last_event,
            fence_limit: self.fence_limit,
            now: Timestamp::from_millis(now),
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
        role: if n == 0 { Role::Coordinator } else { Role::Worker },
        profile: "any".parse().unwrap(),
        capabilities: Vec::new(),
        token: TokenHash([n; 32]),
    }
}

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap()
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

/// A coordinator, its store, and the model that watches both.
struct World {
    state: State,
    stored: Stored,
    model: Model,
    now: u64,
    last_waiter: u64,
    /// Waiters for something else than a lock.
    not_locks: BTreeSet<Waiter>,
    last_fence: Fence,
    /// Every lock ever granted and its fence.
    fences: BTreeMap<LockId, Fence>,
}

/// The first agent is a coordinator, the others are workers.
const AGENTS: u8 = 3;
/// What each task touches: no path is touched by two.
const TOUCHES: [&[&str]; 8] = [&["a"], &["b/x"], &[], &[], &[], &[], &[], &[]];

const TASKS: u64 = TOUCHES.len() as u64;

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: State::rebuild(Seed { profiles: profiles(), ..Seed::default() }),
            stored: Stored::default(),
            model: Model::default(),
            now: 0,
            last_waiter: 0,
            not_locks: BTreeSet::new(),
            last_fence: Fence(0),
            fences: BTreeMap::new(),
        };
        for n in 0..AGENTS {
            world.step(Caller::Operator, Command::AddAgent(new_agent(n)), None);
        }
        let task = |touches: &[&str]| NewTask {
            body: TaskBody { title: "t".into(), description: "".into() },
            spec: TaskSpec {
                touches: touches.iter().map(|text| pattern(text)).collect(),
                max_attempts: 1,
                ..TaskSpec::default()
            },
            parents: Vec::new(),
        };
        let create = TaskCommand::Create(TOUCHES.map(task).into());
        world.step(Caller::Agent(name(0)), Command::Task(create), None);
        world
    }

    /// Takes a step, checks what holds of every step, and returns it.
    fn step(&mut self, caller: Caller, command: Command, keyed: Option<Keyed>) -> Step {
        let before = self.state.locks.all().map(|lock| lock.id).max();
        let waiter = self.next_waiter();
        let now = Timestamp::from_millis(self.now);
        let step = step_at(&mut self.state, waiter, caller, now, command, keyed);
        step.rows.iter().cloned().for_each(|row| self.stored.apply(row));
        for event in &step.events {
            self.stored.last_event = event.seq.0;
            if let EventKind::Lock(AboutLock { lock, event: LockEvent::Taken { fence, waited_ms, .. } }) =
                &event.kind
            {
                assert!(before.is_none_or(|last| *lock > last), "{lock} was given again");
                self.fences.insert(*lock, *fence);
                self.check_nobody_was_overtaken(*lock, self.now - waited_ms);
            }
            let Some(fence) = raises(&event.kind) else { continue };
            assert!(fence > self.last_fence, "{fence} came after {}", self.last_fence);
            self.last_fence = fence;
        }
        step
    }

    fn next_waiter(&mut self) -> Waiter {
        self.last_waiter += 1;
        Waiter(self.last_waiter)
    }

    fn check_nobody_was_overtaken(&self, id: LockId, since: u64) {
        let Some(lock) = self.state.locks.get(id) else { return };
        for waiting in self.state.locks.waiting().filter(|waiting| waiting.since.as_millis() < since) {
            let other = !lock.terms.holder.is_same(&waiting.terms.holder);
            let overtaken = other && lock.terms.conflict(&waiting.terms).is_some();
            assert!(!overtaken, "{id} was granted before {waiting:?}");
        }
    }

    /// Whether this agent could begin this task now.
    fn is_free(&self, task: TaskId, agent: &AgentName) -> bool {
        let Some(task) = self.state.queue.get(task) else { return false };
        task.state.status == TaskStatus::Pending && !self.model.keeps(agent, &covered(&task.spec.touches))
    }

    /// What must hold after each step.
    fn check(&self) {
        let locks: Vec<_> = self
            .state
            .locks
            .all()
            .map(|lock| (lock.id, lock.terms.holder.clone(), lock.expires_at.as_millis(), lock.orphaned))
            .collect();
        let expected: Vec<_> = self
            .model
            .held
            .iter()
            .map(|held| (held.id, holder(&held.claim), held.ends, held.orphaned))
            .collect();
        assert_eq!(locks, expected, "other locks than expected are in force");
        let line: Vec<_> = self
            .state
            .locks
            .waiting()
            .map(|waiting| (waiting.waiter, waiting.terms.holder.clone(), waiting.until.as_millis()))
            .collect();
        let expected: Vec<_> =
            self.model.line.iter().map(|waits| (waits.waiter, holder(&waits.claim), waits.until)).collect();
        assert_eq!(line, expected, "others wait than expected");
        assert!(!self.model.waits_for_itself(), "somebody waits for itself");

        for (i, one) in self.state.locks.all().enumerate() {
            for other in self.state.locks.all().skip(i + 1) {
                let alike = one.terms.holder.is_same(&other.terms.holder);
                let shared = one.terms.mode == LockMode::Shared && other.terms.mode == LockMode::Shared;
                let apart = covered(&one.terms.patterns).is_disjoint(&covered(&other.terms.patterns));
                assert!(alike || shared || apart, "{one:?} and {other:?} are both in force");
            }
        }
        let stored: Vec<_> = self.stored.locks.values().cloned().collect();
        let told: Vec<_> = self
            .state
            .locks
            .all()
            .map(|lock| Lock { expires_at: self.stored.locks[&lock.id].expires_at, ..lock.clone() })
            .collect();
        assert_eq!(stored, told, "the rows do not tell the locks");
        assert_eq!(self.stored.last_lock, self.state.last_lock.0);

        for claim in
            self.state.queue.waiting.waiters().iter().filter_map(|id| self.state.queue.waiting.get(*id))
        {
            let mut wanted = match claim.request.want {
                Want::Next(_) => (1..=TASKS).map(TaskId).collect(),
                Want::Task(id) => vec![id],
            };
            wanted.retain(|id| self.is_free(*id, &claim.agent));
            assert!(wanted.is_empty(), "{} waits, and {wanted:?} is free", claim.agent);
        }
        let due = [
            self.model.held.iter().map(|held| held.ends).min(),
            self.model.line.iter().map(|w| w.until).min(),
        ];
        for due in due.into_iter().flatten() {
            assert!(
                self.state.next_due().is_some_and(|at| at.as_millis() <= due),
                "nobody would wake at {due}"
            );
        }
    }

    /// Whether a claim that was just answered was answered as it should be.
    fn check_claim(&self, agent: &AgentName, want: Want, tick: &State, reply: &Reply) {
        let free = |id: TaskId| {
            let task = tick.queue.get(id).unwrap();
            let pending = task.state.status == TaskStatus::Pending;
            pending && !self.model.keeps(agent, &covered(&task.spec.touches))
        };
        let expected = match want {
            Want::Next(_) => (1..=TASKS).any(|id| free(TaskId(id))),
            Want::Task(id) => free(id),
        };
        let granted = match reply {
            Reply::Task(TaskReply::Claimed(claimed)) => !claimed.grants.is_empty(),
            Reply::Refused(_) => false,
            reply => panic!("{reply:?}"),
        };
        assert_eq!(granted, expected, "{agent} claims {want:?}: {reply:?}");
    }
}

fn leases_of(state: &State, agent: &AgentName) -> Vec<Hold> {
    state.queue.running.held_by(agent).iter().filter_map(|id| state.queue.hold_on(*id)).collect()
}

fn leases(state: &State) -> Vec<Hold> {
    state.queue.tasks().filter_map(|task| state.queue.hold_on(task.id)).collect()
}

/// The lease that this says was lost.
fn lost(kind: &EventKind) -> Option<Hold> {
    let EventKind::Task(AboutTask { task, event: TaskEvent::Lost { fence, .. } }) = kind else { return None };
    Some(Hold { task: *task, fence: *fence })
}

/// The fence that is the highest from then on.
fn raises(kind: &EventKind) -> Option<Fence> {
    let (EventKind::Task(AboutTask { event: TaskEvent::Claimed { fence, .. }, .. })
    | EventKind::Lock(AboutLock { event: LockEvent::Taken { fence, .. }, .. })
    | EventKind::Lock(AboutLock { event: LockEvent::Broken { raised_to: fence, .. }, .. })) = kind
    else {
        return None;
    };
    Some(*fence)
}

fn holder(claim: &Claim) -> Holder {
    Holder { agent: claim.agent.clone(), task: claim.task }
}

fn step_at(
    state: &mut State,
    waiter: Waiter,
    caller: Caller,
    now: Timestamp,
    command: Command,
    keyed: Option<Keyed>,
) -> Step {
    step(state, Envelope { waiter, caller, now, seed: 0, command, keyed }, &mut HostOrder)
}

/// One thing that happens. Numbers pick among what there is.
#[derive(Debug, Clone)]
enum Happens {
    Take {
        agent: u8,
        patterns: Vec<usize>,
        mode: LockMode,
        ttl: u64,
        wait: u64,
        lease: Lease,
        key: Option<u8>,
    },
    Renew {
        agent: Option<u8>,
        lock: usize,
        fence: Right,
    },
    Release {
        agent: Option<u8>,
        lock: usize,
        fence: Right,
    },
    Break {
        agent: u8,
        lock: usize,
    },
    Check {
        agent: u8,
        lease: Lease,
        lock: Option<(usize, Right)>,
        path: usize,
        subtree: bool,
    },
    Claim {
        agent: u8,
        task: Option<u64>,
        wait: u64,
    },
    GiveBack {
        agent: u8,
        lease: usize,
    },
    Leave {
        waiter: usize,
    },
    Remove {
        agent: u8,
    },
    Add {
        agent: u8,
    },
    Pass {
        ms: u64,
    },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Lease {
    None,
    One(usize),
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Right,
    Wrong,
}

fn anything() -> impl Strategy<Value = Happens> {
    let agent = || 0..AGENTS;
    let mode = prop_oneof![1 => Just(LockMode::Shared), 2 => Just(LockMode::Exclusive)];
    let ttl = prop::sample::select(vec![1_000, 25_000, 60_000]);
    let wait = || prop::sample::select(vec![0, 5_000, 40_000]);
    let lease = || prop_oneof![6 => Just(Lease::None), 6 => (0..3usize).prop_map(Lease::One), 1 => Just(Lease::Stale)];
    let right = || prop_oneof![9 => Just(Right::Right), 1 => Just(Right::Wrong)];
    // Mostly whoever holds it.
    let of = || prop_oneof![3 => Just(None), 1 => agent().prop_map(Some)];
    let lock = || 0..6usize;
    let patterns = prop::collection::vec(0..PATTERNS.len(), 1..3);
    let key = prop::option::weighted(0.3, 0..3u8);
    prop_oneof![
        16 => (agent(), patterns, mode, ttl, wait(), lease(), key).prop_map(
            |(agent, patterns, mode, ttl, wait, lease, key)| {
                Happens::Take { agent, patterns, mode, ttl, wait, lease, key }
            }
        ),
        4 => (of(), lock(), right()).prop_map(|(agent, lock, fence)| Happens::Renew { agent, lock, fence }),
        4 => (of(), lock(), right()).prop_map(|(agent, lock, fence)| Happens::Release { agent, lock, fence }),
        1 => (agent(), lock()).prop_map(|(agent, lock)| Happens::Break { agent, lock }),
        6 => (agent(), lease(), prop::option::of((lock(), right())), 0..PATHS.len(), any::<bool>()).prop_map(
            |(agent, lease, lock, path, subtree)| Happens::Check { agent, lease, lock, path, subtree }
        ),
        8 => (agent(), prop::option::of(1..=TASKS), wait()).prop_map(|(agent, task, wait)| Happens::Claim { agent, task, wait }),
        2 => (agent(), 0..3usize).prop_map(|(agent, lease)| Happens::GiveBack { agent, lease }),
        2 => (0..4usize).prop_map(|waiter| Happens::Leave { waiter }),
        1 => agent().prop_map(|agent| Happens::Remove { agent }),
        4 => agent().prop_map(|agent| Happens::Add { agent }),
        6 => prop::sample::select(vec![999, 3_000, 19_000, 29_999]).prop_map(|ms| Happens::Pass { ms }),
        1 => Just(Happens::Restart),
    ]
}

impl World {
    fn happen(&mut self, what: &Happens) {
        self.now += 1;
        if let Happens::Pass { ms } = what {
            self.now += ms;
        }
        if let Happens::Restart = what {
            self.state = self.stored.rebuild(self.now);
            self.model.restart(self.now);
        }
        // What time alone brings about, to be told from what the command does. It comes about on its own before a
        // claim, because claims that wait come before one that is made then.
        let apart = matches!(what, Happens::Claim { .. });
        let (tick, due) = self.tick(apart);
        let lost: Vec<Hold> = due.events.iter().filter_map(|event| lost(&event.kind)).collect();
        self.model.pass(self.now, &lost);
        let (mut told, due) = if apart { (due.replies, Step::default()) } else { (Vec::new(), due) };

        let (caller, command, keyed) = self.command(what).unwrap_or((Caller::Server, Command::Tick, None));
        let step = self.step(caller.clone(), command.clone(), keyed.clone());
        let waiter = Waiter(self.last_waiter);
        let own = step.replies.iter().find(|(to, _)| *to == waiter).map(|(_, reply)| reply);
        if matches!(own, Some(Reply::Refused(_))) {
            assert_eq!(self.state, tick, "a refusal changed the state");
            assert_eq!((&step.rows, &step.events), (&due.rows, &due.events), "a refusal did something");
        }
        self.expect(waiter, &caller, &command, keyed, &tick, own);
        let gone: Vec<Hold> =
            leases(&tick).into_iter().filter(|hold| !leases(&self.state).contains(hold)).collect();
        self.model.end(&gone);
        if let (Command::RemoveAgent(agent), Some(Reply::Done)) = (&command, own) {
            self.model.remove(agent);
        }
        self.model.serve();

        told.extend(step.replies);
        let told: BTreeMap<Waiter, Said> = told
            .iter()
            .filter(|(to, _)| !self.not_locks.contains(to))
            .map(|(to, reply)| (*to, said(reply)))
            .collect();
        assert_eq!(told, std::mem::take(&mut self.model.told), "{what:?}");
        self.check();
    }

    /// What is due by now, and the state after that: for real or for comparison.
    fn tick(&mut self, real: bool) -> (State, Step) {
        if real {
            let step = self.step(Caller::Server, Command::Tick, None);
            self.not_locks.insert(Waiter(self.last_waiter));
            return (self.state.clone(), step);
        }
        let mut state = self.state.clone();
        let now = Timestamp::from_millis(self.now);
        let step = step_at(&mut state, Waiter(0), Caller::Server, now, Command::Tick, None);
        (state, step)
    }

    /// Tells the model, which knows nothing of tasks, what was asked of locks.
    fn expect(
        &mut self,
        waiter: Waiter,
        caller: &Caller,
        command: &Command,
        keyed: Option<Keyed>,
        tick: &State,
        own: Option<&Reply>,
    ) {
        if let Command::Leave(waiter) = command {
            self.model.leave(*waiter);
        }
        if let (Caller::Agent(agent), Command::Task(TaskCommand::Claim(request)), Some(reply)) =
            (caller, command, own)
            && tick.agents.contains_key(agent)
        {
            self.check_claim(agent, request.want, tick, reply);
        }
        let Command::Lock(command) = command else {
            self.not_locks.insert(waiter);
            return;
        };
        if let Caller::Agent(agent) = caller
            && !tick.agents.contains_key(agent)
        {
            self.model.told.insert(waiter, Said::CallerGone);
            return;
        }
        let is_stale = |hold: Option<Hold>, agent: &AgentName| {
            hold.is_some_and(|hold| !leases_of(tick, agent).contains(&hold))
        };
        let fences = &self.fences;
        let is_right = |id: &LockId, fence: &Fence| fences.get(id) == Some(fence);
        let model = &mut self.model;
        match (caller, command) {
            (Caller::Agent(agent), LockCommand::Take(request)) => {
                if keyed.as_ref().is_some_and(|keyed| model.repeats(waiter, agent, keyed)) {
                    return;
                }
                if is_stale(request.task, agent) {
                    model.told.insert(waiter, Said::StaleLease);
                    return;
                }
                let paths = covered(&request.patterns);
                let claim = Claim { agent: agent.clone(), task: request.task, mode: request.mode, paths };
                let until = request.wait_until.map_or(0, Timestamp::as_millis);
                model.take(Waits { waiter, claim, ttl: request.ttl_ms, until, keyed });
            }
            (Caller::Agent(agent), LockCommand::Renew(id, fence)) => {
                model.renew(waiter, agent, *id, is_right(id, fence));
            }
            (Caller::Agent(agent), LockCommand::Release(id, fence)) => {
                model.release(waiter, *id, |held| held.claim.agent == *agent && is_right(id, fence));
            }
            (Caller::Agent(agent), LockCommand::Break(..)) if *agent != name(0) => {
                model.told.insert(waiter, Said::RoleTooLow);
            }
            (_, LockCommand::Break(id, _)) => model.release(waiter, *id, |_| true),
            (_, LockCommand::Check(Authority { holder: Holder { agent, task }, locks }, changes)) => {
                let said = if is_stale(*task, agent) {
                    Said::StaleLease
                } else if !locks.iter().all(|(id, fence)| is_right(id, fence)) {
                    Said::StaleLock
                } else {
                    let named: Vec<LockId> = locks.iter().map(|(id, _)| *id).collect();
                    let subtrees: Vec<PathPattern> = changes.subtrees.iter().map(PathPattern::of).collect();
                    let changed = paths(|path| {
                        changes.entries.contains(path) || subtrees.iter().any(|tree| tree.matches(path))
                    });
                    model.check(agent, *task, &named, &changed)
                };
                model.told.insert(waiter, said);
            }
            (_, command) => panic!("nothing here asks for {command:?}"),
        }
    }

    /// The command for what happens, if there is anything of that kind.
    fn command(&self, what: &Happens) -> Option<(Caller, Command, Option<Keyed>)> {
        let of = |agent| Caller::Agent(name(agent));
        let lock = |n: usize| self.fences.iter().rev().nth(n).map(|(id, fence)| (*id, *fence));
        let given = |(id, fence): (LockId, Fence), right| match right {
            Right::Right => (id, fence),
            Right::Wrong => (id, Fence(fence.0 + 1)),
        };
        let by = |agent: Option<u8>, id| match (agent, self.state.locks.get(id)) {
            (Some(n), _) => of(n),
            (None, Some(lock)) => Caller::Agent(lock.terms.holder.agent.clone()),
            (None, None) => of(1),
        };
        Some(match *what {
            Happens::Take { agent, ref patterns, mode, ttl, wait, lease, key } => {
                let hash = patterns.iter().fold(ttl, |hash, n| hash * 10 + u64::try_from(*n).unwrap());
                let keyed = key.map(|key| Keyed { key: format!("k{key}").parse().unwrap(), hash });
                let request = LockRequest {
                    ttl_ms: ttl,
                    task: self.lease(agent, lease),
                    wait_until: (wait > 0).then(|| Timestamp::from_millis(self.now + wait)),
                    ..LockRequest::new(mode, patterns.iter().map(|n| pattern(PATTERNS[*n])).collect())
                };
                (of(agent), Command::Lock(LockCommand::Take(request)), keyed)
            }
            Happens::Renew { agent, lock: n, fence } => {
                let (id, fence) = given(lock(n)?, fence);
                (by(agent, id), Command::Lock(LockCommand::Renew(id, fence)), None)
            }
            Happens::Release { agent, lock: n, fence } => {
                let (id, fence) = given(lock(n)?, fence);
                (by(agent, id), Command::Lock(LockCommand::Release(id, fence)), None)
            }
            Happens::Break { agent, lock: n } => {
                (of(agent), Command::Lock(LockCommand::Break(lock(n)?.0, "why".into())), None)
            }
            Happens::Check { agent, lease, lock: n, path: changed, subtree } => {
                let locks = n.and_then(|(n, right)| Some(given(lock(n)?, right))).into_iter().collect();
                let holder = Holder { agent: name(agent), task: self.lease(agent, lease) };
                let mut changes = Changes::default();
                let list = if subtree { &mut changes.subtrees } else { &mut changes.entries };
                list.push(path(PATHS[changed]));
                (
                    Caller::Server,
                    Command::Lock(LockCommand::Check(Authority { holder, locks }, changes)),
                    None,
                )
            }
            Happens::Claim { agent, task, wait } => {
                let request = ClaimRequest {
                    want: task.map_or(Want::Next(1), |id| Want::Task(TaskId(id))),
                    ttl_ms: 20_000,
                    wait_until: (wait > 0).then(|| Timestamp::from_millis(self.now + wait)),
                    ..ClaimRequest::next()
                };
                (of(agent), Command::Task(TaskCommand::Claim(request)), None)
            }
            Happens::GiveBack { agent, lease } => {
                let hold = leases_of(&self.state, &name(agent)).get(lease).copied()?;
                (of(agent), Command::Task(TaskCommand::Release(hold, "".into())), None)
            }
            Happens::Leave { waiter } => {
                let waiter = self.model.line.get(waiter)?.waiter;
                (Caller::Server, Command::Leave(waiter), None)
            }
            Happens::Remove { agent } => (Caller::Operator, Command::RemoveAgent(name(agent)), None),
            Happens::Add { agent } => (Caller::Operator, Command::AddAgent(new_agent(agent)), None),
            Happens::Pass { .. } | Happens::Restart => return None,
        })
    }

    fn lease(&self, agent: u8, lease: Lease) -> Option<Hold> {
        match lease {
            Lease::None => None,
            Lease::One(n) => {
                let leases = leases_of(&self.state, &name(agent));
                leases.get(n % leases.len().max(1)).copied()
            }
            Lease::Stale => Some(Hold { task: TaskId(1), fence: Fence(0) }),
        }
    }
}

proptest! {
    #[test]
    fn every_history_is_as_the_model_says(history in prop::collection::vec(anything(), 0..80)) {
        let mut world = World::new();
        for what in history {
            world.happen(&what);
        }
    }
}

#[test]
fn the_paths_show_every_overlap_of_the_patterns() {
    for (one, other) in PATTERNS.iter().flat_map(|one| PATTERNS.map(|other| (*one, other))) {
        let apart = covered(&[pattern(one)]).is_disjoint(&covered(&[pattern(other)]));
        assert_eq!(pattern(one).overlaps(&pattern(other)), !apart, "{one} and {other}");
    }
}

/// What agent `n` is answered at once, if anything.
fn ask(world: &mut World, n: u8, command: Command) -> Option<Reply> {
    world.now += 1;
    let replies = world.step(Caller::Agent(name(n)), command, None).replies;
    replies.into_iter().find(|(to, _)| to.0 == world.last_waiter).map(|(_, reply)| reply)
}

fn refusal(reply: Option<Reply>) -> LockRefusal {
    match reply {
        Some(Reply::Refused(Refusal::Lock(refusal))) => refusal,
        reply => panic!("{reply:?}"),
    }
}

fn request(mode: LockMode, patterns: &[&str]) -> LockRequest {
    LockRequest::new(mode, patterns.iter().map(|text| pattern(text)).collect())
}

fn take(world: &mut World, n: u8, request: LockRequest) -> Taken {
    match ask(world, n, Command::Lock(LockCommand::Take(request))) {
        Some(Reply::Lock(LockReply::Taken(taken))) => taken,
        reply => panic!("{reply:?}"),
    }
}

fn wait(world: &mut World, n: u8, text: &str) -> Option<Reply> {
    let wait_until = Some(Timestamp::from_millis(world.now + 50_000));
    let request = LockRequest { wait_until, ..request(LockMode::Exclusive, &[text]) };
    ask(world, n, Command::Lock(LockCommand::Take(request)))
}

fn claim(world: &mut World, n: u8, want: Want, wait_until: Option<Timestamp>) -> Option<Hold> {
    let request = ClaimRequest { want, wait_until, ..ClaimRequest::next() };
    match ask(world, n, Command::Task(TaskCommand::Claim(request))) {
        Some(Reply::Task(TaskReply::Claimed(claimed))) => claimed.grants.first().map(Grant::hold),
        None => None,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn a_lock_that_makes_no_sense_is_refused() {
    let mut world = World::new();
    let mut refused = |request| refusal(ask(&mut world, 1, Command::Lock(LockCommand::Take(request))));
    let exclusive = |patterns: &[&str]| request(LockMode::Exclusive, patterns);
    assert_eq!(refused(exclusive(&[])), LockRefusal::Count(0));
    assert_eq!(refused(exclusive(&["a"; 65])), LockRefusal::Count(65));
    for ttl_ms in [999, 24 * 3_600 * 1_000 + 1] {
        assert_eq!(refused(LockRequest { ttl_ms, ..exclusive(&["a"]) }), LockRefusal::TtlOutOfRange(ttl_ms));
    }
}

#[test]
fn an_agent_has_no_more_than_so_many_locks() {
    let mut world = World::new();
    for _ in 0..256 {
        take(&mut world, 1, request(LockMode::Shared, &["a"]));
    }
    let one_more = Command::Lock(LockCommand::Take(request(LockMode::Shared, &["a"])));
    assert_eq!(refusal(ask(&mut world, 1, one_more)), LockRefusal::TooMany(256));
    take(&mut world, 2, request(LockMode::Shared, &["a"]));
}

#[test]
fn a_deadlock_names_those_who_would_wait_for_each_other() {
    let mut world = World::new();
    for (n, text) in [(0, "a"), (1, "b"), (2, "c")] {
        take(&mut world, n, request(LockMode::Exclusive, &[text]));
    }
    assert_eq!(wait(&mut world, 0, "b"), None);
    assert_eq!(wait(&mut world, 1, "c"), None);
    let chain = vec![name(0), name(1), name(2)];
    assert_eq!(refusal(wait(&mut world, 2, "a")), LockRefusal::Deadlock { chain });
}

#[test]
fn a_lock_of_a_task_stays_while_its_work_is_checked_and_ends_with_it() {
    for passed in [true, false] {
        let mut world = World::new();
        let verify = Some(Some(Verify::Run(vec!["true".to_owned()])));
        let patch = Box::new(TaskPatch { verify, ..TaskPatch::default() });
        ask(&mut world, 0, Command::Task(TaskCommand::Patch(TaskId(1), patch)));
        let hold = claim(&mut world, 1, Want::Task(TaskId(1)), None).unwrap();
        let bound = LockRequest { task: Some(hold), ..request(LockMode::Exclusive, &["a"]) };
        take(&mut world, 1, bound);
        let completion = Completion { hold, result: "".into(), next: None };
        ask(&mut world, 1, Command::Task(TaskCommand::Complete(completion)));
        assert_eq!(world.state.locks.all().count(), 1);
        let end = if passed {
            TaskCommand::Checked(Verdict { hold, passed, output: "".into() })
        } else {
            TaskCommand::Cancel(TaskId(1), "".into())
        };
        let step = world.step(Caller::Server, Command::Task(end), None);
        let causes: Vec<_> = step.events.iter().filter_map(|event| released(&event.kind)).collect();
        assert_eq!(causes, [ReleaseCause::LeaseEnded]);
    }
}

fn released(kind: &EventKind) -> Option<ReleaseCause> {
    let EventKind::Lock(AboutLock { event: LockEvent::Released { cause, .. }, .. }) = kind else {
        return None;
    };
    Some(*cause)
}

#[test]
fn a_task_says_which_lock_it_waits_for() {
    let mut world = World::new();
    let lock = take(&mut world, 1, request(LockMode::Exclusive, &["a"])).lock;
    assert_eq!(claim(&mut world, 2, Want::Task(TaskId(1)), None), None);
    let Some(Reply::Task(TaskReply::Why(why))) =
        ask(&mut world, 2, Command::Task(TaskCommand::Why(TaskId(1))))
    else {
        panic!("no answer")
    };
    assert!(why.contains(&Why::PathsLocked(lock)), "{why:?}");
    assert!(claim(&mut world, 1, Want::Task(TaskId(1)), None).is_some());
}

/// Guards against a claim that waits for ever: its task lies behind the claimant's own lock, and what kept it from
/// the task was another.
#[test]
fn a_task_behind_two_locks_goes_to_the_holder_of_the_one_that_is_left() {
    let mut world = World::new();
    take(&mut world, 1, request(LockMode::Shared, &["a"]));
    let other = take(&mut world, 2, request(LockMode::Shared, &["a"]));
    let until = Some(Timestamp::from_millis(50_000));
    for n in [1, 2] {
        assert_eq!(claim(&mut world, n, Want::Task(TaskId(1)), until), None);
    }
    ask(&mut world, 2, Command::Lock(LockCommand::Release(other.lock, other.fence)));
    assert_eq!(leases_of(&world.state, &name(1)).len(), 1);
}
