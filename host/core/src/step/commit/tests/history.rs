//! What may happen.

use proptest::prelude::*;

use super::model::Wish;
use super::*;

/// All the paths there are.
pub(super) const PATHS: [&str; 8] = ["a", "a/b", "a/b/c", "a/d", "a-b", "e", "e/f", ""];

/// One thing that happens. Numbers pick among what there is.
#[derive(Debug, Clone)]
pub(super) enum Happens {
    Reserve {
        agent: Option<u8>,
        under: Lease,
        lock: Option<(usize, bool)>,
        key: Option<(u8, u64)>,
        entries: Vec<usize>,
        subtrees: Vec<usize>,
        wait: u64,
    },
    Renew(usize),
    /// Of which reservation; which of its paths are left out; whether a path is changed that may not be; whether it was
    /// found though it should not have been, or the other way round, or both.
    Intend {
        set: usize,
        without: usize,
        beyond: Option<usize>,
        origin: Origin,
    },
    Publish(usize),
    Retire(Vec<usize>),
    AbortReserved(usize),
    Abort(usize),
    Unfinished,
    Brief(u8),
    ByAnAgent(u8),
    Claim(u8),
    GiveBack(u8, usize),
    Lock(u8, usize, bool),
    Break(usize),
    Reuse(u8, u8),
    Remove(u8),
    Add(u8),
    Leave(usize),
    Pass(u64),
    Forgive,
    /// Whether the same process goes on, and how many of the latest things are lost.
    Restart(bool, usize),
}

/// What is asked: of which kind, by whom, under which key.
type Asked = (&'static str, Caller, Command, Option<Keyed>);

#[derive(Debug, Clone, Copy)]
pub(super) enum Lease {
    One(usize),
    Stale,
    Only,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Right,
    Wrong,
    Both,
}

pub(super) fn any_history(length: usize) -> impl Strategy<Value = Vec<Happens>> {
    prop::collection::vec(anything(), length)
}

fn anything() -> impl Strategy<Value = Happens> {
    let agent = || prop_oneof![12 => 0..4u8, 1 => Just(4u8)];
    let author = prop_oneof![9 => agent().prop_map(Some), 1 => Just(None)];
    let under = prop_oneof![
        3 => (0..3usize).prop_map(Lease::One),
        1 => Just(Lease::Stale),
        6 => Just(Lease::Only),
        6 => Just(Lease::None),
    ];
    let lock = prop::option::weighted(0.3, (0..3usize, prop::bool::weighted(0.9)));
    let key = prop::option::weighted(0.4, (0..3u8, prop_oneof![9 => Just(0u64), 1 => Just(1)]));
    let path = || prop_oneof![30 => 0..PATHS.len() - 1, 1 => Just(PATHS.len() - 1)];
    let paths = || {
        prop_oneof![
            5 => prop::collection::vec(path(), 1..3).prop_map(|paths| (paths, Vec::new())),
            2 => (prop::collection::vec(path(), 0..2), prop::collection::vec(path(), 1..2)),
        ]
    };
    let wait = prop::sample::select(vec![0, 0, 5_000, 40_000, 40_000, 700_000]);
    let n = || 0..5usize;
    let origin = prop_oneof![12 => Just(Origin::Right), 1 => Just(Origin::Wrong), 1 => Just(Origin::Both)];
    prop_oneof![
        30 => (author, under, lock, key, paths(), wait).prop_map(
            |(agent, under, lock, key, (entries, subtrees), wait)| {
                Happens::Reserve { agent, under, lock, key, entries, subtrees, wait }
            }
        ),
        3 => n().prop_map(Happens::Renew),
        24 => (n(), 0..3usize, prop::option::weighted(0.1, path()), origin).prop_map(
            |(set, without, beyond, origin)| Happens::Intend { set, without, beyond, origin }
        ),
        16 => (0..7usize).prop_map(Happens::Publish),
        8 => prop::collection::vec(0..7usize, 1..3).prop_map(Happens::Retire),
        3 => n().prop_map(Happens::AbortReserved),
        4 => (0..7usize).prop_map(Happens::Abort),
        2 => Just(Happens::Unfinished),
        2 => agent().prop_map(Happens::Brief),
        1 => agent().prop_map(Happens::ByAnAgent),
        8 => agent().prop_map(Happens::Claim),
        2 => (agent(), n()).prop_map(|(agent, n)| Happens::GiveBack(agent, n)),
        6 => (agent(), path(), any::<bool>()).prop_map(|(agent, path, bound)| Happens::Lock(agent, path, bound)),
        3 => n().prop_map(Happens::Break),
        1 => (agent(), 0..3u8).prop_map(|(agent, key)| Happens::Reuse(agent, key)),
        1 => agent().prop_map(Happens::Remove),
        3 => agent().prop_map(Happens::Add),
        2 => n().prop_map(Happens::Leave),
        8 => prop::sample::select(vec![999, 4_000, 19_000, 29_999, 30_000]).prop_map(Happens::Pass),
        1 => Just(Happens::Forgive),
        2 => (any::<bool>(), 0..4usize).prop_map(|(again, lost)| Happens::Restart(again, lost)),
    ]
}

impl World {
    pub(super) fn happen(&mut self, what: &Happens) {
        self.now += 1;
        match what {
            Happens::Pass(ms) => self.now += ms,
            Happens::Restart(again, lost) => self.restart(*again, *lost),
            _ => {}
        }
        // What time alone brings about, apart from what the command does.
        let due = match what {
            Happens::Forgive => {
                self.model.now = self.now;
                self.model.forgive();
                Command::Forgive
            }
            _ => Command::Tick,
        };
        let tick = self.step(Caller::Server, due, None);
        self.others.insert(Waiter(self.last_waiter));
        self.model.pass(self.now);
        self.compare("(time)", &tick, what);

        let before = self.state.clone();
        let Some((kind, caller, command, keyed)) = self.command(what) else { return self.end(what) };
        let step = self.step(caller.clone(), command.clone(), keyed);
        let waiter = Waiter(self.last_waiter);
        let own = step.replies.iter().find(|(to, _)| *to == waiter).map(|(_, reply)| reply.clone());
        if let Some(Reply::Refused(_)) = own {
            assert_eq!(self.state, before, "a refusal changed the state");
            assert!(step.rows.is_empty() && step.events.is_empty() && step.effects.is_empty());
        }
        self.expect(waiter, &caller, command, own.as_ref(), what);
        self.model.serve();
        self.compare(kind, &step, what);
        if own.is_none() {
            *self.tally.entry((kind, "waits")).or_default() += 1;
        }
        self.end(what);
    }

    fn end(&mut self, what: &Happens) {
        self.check();
        if matches!(what, Happens::Restart(..)) {
            self.snapshots.clear();
        }
        self.snapshots.push((self.stored.clone(), self.model.clone()));
        if self.snapshots.len() > 4 {
            self.snapshots.remove(0);
        }
    }

    /// The replies are those that the model expects.
    fn compare(&mut self, kind: &'static str, step: &Step, what: &Happens) {
        let own = Waiter(self.last_waiter);
        let told: BTreeMap<Waiter, Said> = step
            .replies
            .iter()
            .filter(|(to, _)| !self.others.contains(to))
            .map(|(to, reply)| (*to, said(reply)))
            .collect();
        for (to, said) in &told {
            let kind = if *to == own { kind } else { "(waited)" };
            *self.tally.entry((kind, said.kind())).or_default() += 1;
            if let Said::Reserved(id, ..) = said
                && kind != "renew"
            {
                assert!(!self.granted.iter().any(|(other, _)| other == id), "{id} was given again");
                let set = self.model.sets.iter().find(|set| set.id == *id).unwrap();
                let paths = set.wish.entries.iter().chain(&set.wish.subtrees).copied().collect();
                self.granted.push((*id, paths));
            }
        }
        assert_eq!(told, std::mem::take(&mut self.model.told), "{what:?}");
    }

    /// The state is dropped, with what was not durable yet.
    fn restart(&mut self, again: bool, lost: usize) {
        if let Some((stored, model)) = self.snapshots.iter().rev().nth(lost).cloned() {
            (self.stored, self.model) = (stored, model);
        }
        self.boot += u32::from(!again);
        let last_id = if again { self.state.last_reservation() } else { 0 };
        self.state = self.stored.rebuild(self.boot, last_id, self.now);
        self.model.restart(self.now, self.boot, last_id);
        let commits = &self.stored.commits;
        self.model.narrow(|number| {
            let redo = &commits[&CommitNumber(number)].0.redo;
            let the = |path: &ProjectPath| PATHS.into_iter().find(|text| *text == path.as_str()).unwrap();
            redo.paths().map(the).collect()
        });
        *self.tally.entry(("(restart)", if again { "again" } else { "anew" })).or_default() += 1;
    }

    /// Tells the model what was asked of commits.
    fn expect(
        &mut self,
        waiter: Waiter,
        caller: &Caller,
        command: Command,
        own: Option<&Reply>,
        what: &Happens,
    ) {
        let model = &mut self.model;
        match (command, caller) {
            (Command::Commit(_), Caller::Agent(_)) => {
                model.told.insert(waiter, Said::Refused("operator_only"));
            }
            (Command::Commit(command), _) => match command {
                CommitCommand::Reserve(_) => {
                    let wish = self.wish(what);
                    self.model.reserve(waiter, wish);
                }
                CommitCommand::Renew(id) => model.renew(waiter, id),
                CommitCommand::Intend(id, redo) => {
                    let found =
                        redo.changes().iter().filter(|change| change.operation == Operation::Found).count();
                    let found = match found {
                        0 => Some(false),
                        all if all == redo.changes().len() => Some(true),
                        _ => None,
                    };
                    let the =
                        |path: &ProjectPath| PATHS.into_iter().find(|text| *text == path.as_str()).unwrap();
                    let paths: Vec<_> = redo.paths().map(the).collect();
                    model.intend(waiter, id, &paths, found);
                }
                CommitCommand::Publish(number) => model.publish(waiter, number.0),
                CommitCommand::Retire(numbers) => {
                    let numbers: Vec<u64> = numbers.iter().map(|number| number.0).collect();
                    model.retire(waiter, &numbers);
                }
                CommitCommand::Abort(Undo::Reserved(id), _) => model.abort_reserved(waiter, id),
                CommitCommand::Abort(Undo::Intended(number), _) => model.abort(waiter, number.0),
                CommitCommand::Unfinished => model.unfinished(waiter),
                CommitCommand::Brief(agent) => {
                    model.unaware.remove(&agent);
                    model.told.insert(waiter, Said::Done);
                }
            },
            (command, _) => {
                if let Happens::Reuse(..) = what {
                    model.told.insert(waiter, Said::Refused("key_reused"));
                    return;
                }
                self.others.insert(waiter);
                match (command, own) {
                    (Command::RemoveAgent(agent), Some(Reply::Done)) => model.remove(&agent),
                    (Command::Leave(waiter), _) => model.leave(waiter),
                    (Command::Task(TaskCommand::Claim(_)), Some(Reply::Task(_))) => {
                        let Caller::Agent(agent) = caller else { panic!() };
                        model.unaware.remove(agent);
                    }
                    _ => {}
                }
            }
        }
    }

    fn wish(&self, what: &Happens) -> Wish {
        let Happens::Reserve { agent, under, lock, key, entries, subtrees, wait } = what else { panic!() };
        let all = |numbers: &[usize]| numbers.iter().map(|n| PATHS[*n]).collect::<BTreeSet<_>>();
        let (entries, subtrees) = (all(entries), all(subtrees));
        let leases = |agent: u8| {
            self.model.leases.iter().filter(move |(of, _)| *of == name(agent)).map(|(_, hold)| *hold)
        };
        let under = match (*agent, *under) {
            (None, _) | (_, Lease::None) => Under::NoLease,
            (_, Lease::Stale) => Under::Lease(Hold { task: TaskId(1), fence: Fence(0) }),
            (_, Lease::Only) => Under::TheOnlyLease,
            (Some(agent), Lease::One(n)) => leases(agent).nth(n).map_or(Under::TheOnlyLease, Under::Lease),
        };
        // Mostly one of its own that is in force.
        let theirs = self.model.locks.iter().filter(|lock| Some(&lock.agent) == agent.map(name).as_ref());
        let theirs: Vec<_> = theirs.map(|lock| (lock.id, lock.fence)).collect();
        let locks = lock.and_then(|(n, right)| {
            let (id, fence) =
                theirs.get(n % theirs.len().max(1)).or_else(|| self.locks.iter().rev().nth(n))?;
            Some((*id, if right { *fence } else { Fence(fence.0 + 1) }))
        });
        Wish {
            agent: agent.map(name),
            under,
            locks: if agent.is_some() { locks.into_iter().collect() } else { Vec::new() },
            keyed: key.filter(|_| agent.is_some()),
            entries: entries.difference(&subtrees).copied().collect(),
            subtrees: subtrees.into_iter().collect(),
            until: if *wait > 0 { self.now + wait } else { 0 },
        }
    }

    /// A reservation: mostly one that is in force.
    fn reservation(&self, n: usize) -> Option<(ReservationId, Vec<&'static str>)> {
        let has = self.state.commits.who_has();
        let live = (n < 4 && !has.is_empty()).then(|| has[n % has.len()].0);
        match live {
            Some(id) => self.granted.iter().find(|(other, _)| *other == id).cloned(),
            None => self.granted.iter().rev().nth(n).cloned(),
        }
    }

    /// A commit: mostly one that is in flight.
    fn number(&self, n: usize) -> CommitNumber {
        let flights = self.state.commits.flights();
        match n {
            0 => CommitNumber(self.state.commits.last.0 + 1),
            1 => CommitNumber(1),
            n if flights.is_empty() => CommitNumber(n as u64),
            n => flights[n % flights.len()].0,
        }
    }

    /// The command for what happens, if there is anything of that kind.
    fn command(&self, what: &Happens) -> Option<Asked> {
        let of = |agent: u8| Caller::Agent(name(agent));
        let keyed = |key: u8, hash| Keyed { key: format!("k{key}").parse().unwrap(), hash };
        let commit = |kind, command| Some((kind, Caller::Server, Command::Commit(command), None));
        match what {
            Happens::Reserve { .. } => {
                let wish = self.wish(what);
                let paths = |texts: &[&str]| texts.iter().map(|text| path(text)).collect();
                let changes = Changes { entries: paths(&wish.entries), subtrees: paths(&wish.subtrees) };
                let author = match wish.agent {
                    None => Author::Outside,
                    Some(agent) => Author::Agent(Authorship {
                        agent,
                        under: wish.under,
                        run: None,
                        locks: wish.locks,
                        keyed: wish.keyed.map(|(key, hash)| keyed(key, hash)),
                    }),
                };
                let wait_until = (wish.until > 0).then(|| Timestamp::from_millis(wish.until));
                let kind = match (&author, wish.keyed, wait_until) {
                    (Author::Outside, ..) => "reserve outside",
                    (_, Some(_), None) => "reserve once",
                    (_, Some(_), Some(_)) => "wait once",
                    (_, None, None) => "reserve",
                    (_, None, Some(_)) => "wait",
                };
                let paths = Reservation::new(changes).unwrap();
                commit(kind, CommitCommand::Reserve(ReserveRequest { paths, author, wait_until }))
            }
            Happens::Renew(n) => commit("renew", CommitCommand::Renew(self.reservation(*n)?.0)),
            Happens::Intend { set, without, beyond, origin } => {
                let (id, mut texts) = self.reservation(*set)?;
                if texts.len() > 1 && *without < texts.len() {
                    texts.remove(*without);
                }
                texts.extend(beyond.map(|n| PATHS[n]));
                let texts: BTreeSet<_> = texts.into_iter().collect();
                let outside = self.model.sets.iter().any(|set| set.id == id && set.wish.agent.is_none());
                let found = |n: usize| match origin {
                    Origin::Right => outside,
                    Origin::Wrong => !outside,
                    Origin::Both => n.is_multiple_of(2),
                };
                let changes = texts.iter().enumerate().map(|(n, text)| change(text, found(n)));
                let redo = RedoList::new(changes.collect()).unwrap();
                commit("intend", CommitCommand::Intend(id, redo))
            }
            Happens::Publish(n) => commit("publish", CommitCommand::Publish(self.number(*n))),
            Happens::Retire(n) => {
                commit("retire", CommitCommand::Retire(n.iter().map(|n| self.number(*n)).collect()))
            }
            Happens::AbortReserved(n) => {
                let why = Abort::Failed { detail: "why".into() };
                commit("drop", CommitCommand::Abort(Undo::Reserved(self.reservation(*n)?.0), why))
            }
            Happens::Abort(n) => {
                let why = Abort::Conflict { path: path("a") };
                commit("abort", CommitCommand::Abort(Undo::Intended(self.number(*n)), why))
            }
            Happens::Unfinished => commit("unfinished", CommitCommand::Unfinished),
            Happens::Brief(agent) => commit("brief", CommitCommand::Brief(name(*agent))),
            Happens::ByAnAgent(agent) => {
                Some(("by an agent", of(*agent), Command::Commit(CommitCommand::Brief(name(*agent))), None))
            }
            Happens::Claim(agent) => {
                let request = ClaimRequest { ttl_ms: 20_000, ..ClaimRequest::next() };
                Some(("claim", of(*agent), Command::Task(TaskCommand::Claim(request)), None))
            }
            Happens::GiveBack(agent, n) => {
                let theirs = |(of, _): &&(AgentName, Hold)| *of == name(*agent);
                let hold = self.model.leases.iter().filter(theirs).nth(*n)?.1;
                Some(("give back", of(*agent), Command::Task(TaskCommand::Release(hold, "".into())), None))
            }
            Happens::Lock(agent, n, bound) => {
                let theirs = |(of, _): &&(AgentName, Hold)| *of == name(*agent);
                let task = self.model.leases.iter().find(theirs).map(|(_, hold)| *hold).filter(|_| *bound);
                let pattern = PathPattern::of(&path(PATHS[n % (PATHS.len() - 1)]));
                let request = LockRequest {
                    task,
                    ttl_ms: 60_000,
                    ..LockRequest::new(LockMode::Exclusive, vec![pattern])
                };
                Some(("lock", of(*agent), Command::Lock(LockCommand::Take(request)), None))
            }
            Happens::Break(n) => {
                let id = self.model.locks.get(n % self.model.locks.len().max(1))?.id;
                Some(("break", Caller::Operator, Command::Lock(LockCommand::Break(id, "why".into())), None))
            }
            // A request about something else, under a key that may be a commit's.
            Happens::Reuse(agent, key) => self.model.is_key_in_use(&(name(*agent), *key)).then(|| {
                (
                    "reuse",
                    of(*agent),
                    Command::Task(TaskCommand::Claim(ClaimRequest::next())),
                    Some(keyed(*key, 7)),
                )
            }),
            Happens::Remove(agent) => {
                Some(("remove", Caller::Operator, Command::RemoveAgent(name(*agent)), None))
            }
            Happens::Add(agent) => {
                Some(("add", Caller::Operator, Command::AddAgent(new_agent(*agent)), None))
            }
            Happens::Leave(n) => {
                let waiter = *self.state.waiters().get(*n)?;
                Some(("leave", Caller::Server, Command::Leave(waiter), None))
            }
            Happens::Pass(_) | Happens::Forgive | Happens::Restart(..) => None,
        }
    }
}
