//! Random histories, and what the model says of each thing that happens.

use proptest::prelude::*;

use super::model::{Claim, PATHS, PATTERNS, Said, Waits, covered, paths, said};
use super::*;

/// One thing that happens. Numbers pick among what there is.
#[derive(Debug, Clone)]
pub(super) enum Happens {
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
pub(super) enum Lease {
    None,
    One(usize),
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Right,
    Wrong,
}

pub(super) fn anything() -> impl Strategy<Value = Happens> {
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
    pub(super) fn happen(&mut self, what: &Happens) {
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
