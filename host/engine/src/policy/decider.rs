//! Policies as the coordinator asks them.
//!
//! Whatever goes wrong with a policy, the host decides that call by its own order; a policy that fails three times in a
//! minute is not asked again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longhouse_core::{
    Admit, AgentFacts, Choice, Choosing, Decide, Group, HostOrder, Limits, LockAsked, LockHeld, LockVerdict,
    Pick, PolicyKind, PolicyVersion, Rank, RunRequest, Task, Timestamp,
};

use super::tap::{Decided, Taps};
use super::{Fault, PolicyInstance, WarmPolicy, facts};

/// How many faults in which time are too many.
const FAULTS: usize = 3;
const FAULTS_WITHIN: Duration = Duration::from_secs(60);

/// How much of which time policies may take together of the coordinator's.
const SHARE: Duration = Duration::from_millis(20);
const SHARE_OF: Duration = Duration::from_millis(100);

/// How much is kept of what a rehearsed policy prints, in bytes, give or take one call.
const PRINTED: usize = 4 << 10;

/// How long an instance is kept of a policy that nobody asks.
const KEPT_IDLE: Duration = Duration::from_secs(10 * 60);

/// Policies that are loaded, for the decider to take: it has them for itself, because they are called by one thread.
#[derive(Debug, Default)]
pub struct Shelf {
    policies: Mutex<HashMap<PolicyVersion, WarmPolicy>>,
    /// Looked at with every call.
    has_some: AtomicBool,
}

/// A policy that is not asked any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejected {
    /// What it decided.
    pub kind: PolicyKind,
    /// Which version.
    pub version: PolicyVersion,
    /// What it did.
    pub reason: String,
}

/// How a policy fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyRecord {
    /// How often it was asked.
    pub calls: u64,
    /// How often it failed.
    pub faults: u64,
    /// How often it was not asked because policies had had their share of time.
    pub skipped: u64,
    /// How long it took in all.
    pub took: Duration,
    /// What it did wrong last.
    pub last_fault: Option<String>,
    /// The beginning of what it printed, if it is rehearsed.
    pub printed: String,
}

/// How policies fare, for whoever watches.
#[derive(Debug, Default)]
pub struct PolicyRecords(Mutex<HashMap<PolicyVersion, PolicyRecord>>);

/// Asks policies.
#[derive(Debug)]
pub struct PolicyDecider {
    shelf: Arc<Shelf>,
    records: Arc<PolicyRecords>,
    ejected: Sender<Ejected>,
    policies: HashMap<PolicyVersion, Seat>,
    budget: Budget,
    manner: Manner,
    taps: Arc<Taps>,
}

/// How policies are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Others wait for their answers: in bounded time.
    Live,
    /// Nobody does: however long they take, so that the answers are always the same.
    Rehearsed,
}

/// A policy that is asked, and its faults of late.
#[derive(Debug)]
struct Seat {
    policy: WarmPolicy,
    faults: VecDeque<Instant>,
    is_ejected: bool,
    /// When it was last.
    asked_at: Instant,
}

/// What policies took of the present stretch of time.
#[derive(Debug)]
struct Budget {
    since: Instant,
    used: Duration,
}

/// Whether a call is subject to the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Somebody waits for it.
    Live,
    /// Nobody does: whoever makes such calls makes pauses.
    Background,
}

impl Shelf {
    /// Puts a policy where the decider finds it.
    pub fn put(&self, policy: WarmPolicy) {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        policies.insert(policy.version().clone(), policy);
        self.has_some.store(true, Relaxed);
    }

    fn take(&self, version: &PolicyVersion) -> Option<WarmPolicy> {
        if !self.has_some.load(Relaxed) {
            return None;
        }
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = policies.remove(version);
        self.has_some.store(!policies.is_empty(), Relaxed);
        taken
    }
}

impl PolicyRecords {
    /// How this version fares.
    pub fn of(&self, version: &PolicyVersion) -> PolicyRecord {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(version).cloned().unwrap_or_default()
    }

    fn note(&self, version: &PolicyVersion, note: impl FnOnce(&mut PolicyRecord)) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(records.entry(version.clone()).or_default());
    }
}

impl PolicyDecider {
    /// A decider for what is on `shelf`.
    pub fn new(shelf: Arc<Shelf>, records: Arc<PolicyRecords>, ejected: Sender<Ejected>) -> Self {
        let budget = Budget { since: Instant::now(), used: Duration::ZERO };
        let (policies, taps) = Default::default();
        Self { shelf, records, ejected, policies, budget, manner: Manner::Live, taps }
    }

    /// The same, with those who follow what is decided.
    #[must_use]
    pub fn followed_by(self, taps: Arc<Taps>) -> Self {
        Self { taps, ..self }
    }

    /// A decider that decides nothing for anybody, with these policies. One that fails too often is not asked again here
    /// either.
    pub fn rehearsing(policies: impl IntoIterator<Item = WarmPolicy>) -> Self {
        let shelf = Shelf::default();
        policies.into_iter().for_each(|policy| shelf.put(policy));
        let (nobody, _) = channel();
        Self { manner: Manner::Rehearsed, ..Self::new(Arc::new(shelf), Arc::default(), nobody) }
    }

    /// How policies fare.
    pub fn records(&self) -> Arc<PolicyRecords> {
        Arc::clone(&self.records)
    }

    /// The seat of a version that can be asked.
    fn seat(&mut self, version: &PolicyVersion) -> Option<&mut Seat> {
        // One that is put there again has another chance.
        if let Some(policy) = self.shelf.take(version) {
            for seat in self.policies.values_mut().filter(|seat| seat.asked_at.elapsed() > KEPT_IDLE) {
                seat.policy.cool();
            }
            let (faults, asked_at) = (VecDeque::new(), Instant::now());
            self.policies.insert(version.clone(), Seat { policy, faults, is_ejected: false, asked_at });
        }
        self.policies.get_mut(version).filter(|seat| !seat.is_ejected)
    }

    /// What a policy answers; `None` if the host has to decide.
    fn ask<T>(
        &mut self,
        by: Option<&PolicyVersion>,
        pace: Pace,
        call: impl FnOnce(&mut PolicyInstance) -> Result<T, Fault>,
    ) -> Option<T> {
        let version = by?;
        let records = Arc::clone(&self.records);
        let manner = self.manner;
        let is_paced = manner == Manner::Live && pace == Pace::Live;
        if is_paced && !self.budget.has_some() {
            records.note(version, |record| record.skipped += 1);
            return None;
        }
        let seat = self.seat(version)?;
        let begun = Instant::now();
        seat.asked_at = begun;
        let (answer, printed) = match manner {
            Manner::Live => (seat.policy.ask(call), String::new()),
            Manner::Rehearsed => {
                let (answer, printed) = seat.policy.ask_patiently(call);
                (Some(answer), printed)
            }
        };
        let took = begun.elapsed();
        let ejected = match &answer {
            Some(Err(fault)) => seat.note_fault(fault, begun),
            Some(Ok(_)) | None => None,
        };
        records.note(version, |record| {
            record.calls += 1;
            record.took += took;
            if let Some(Err(fault)) = &answer {
                record.faults += 1;
                record.last_fault = Some(fault.to_string());
            }
            if record.printed.len() < PRINTED {
                record.printed.push_str(&printed);
            }
        });
        if let (Some(Err(fault)), Manner::Live) = (&answer, manner) {
            tracing::warn!(policy = %version, %fault, "a policy failed, and the host decided");
        }
        if let (Some(ejected), Manner::Live) = (ejected, manner) {
            tracing::error!(policy = %version, kind = %ejected.kind, reason = ejected.reason, "a policy is ejected");
            // Whoever wants to know may be gone.
            let _ = self.ejected.send(ejected);
        }
        if is_paced {
            self.budget.used += took;
        }
        answer?.ok()
    }
}

impl Seat {
    /// Counts a fault; what is to be told if it was one too many.
    fn note_fault(&mut self, fault: &Fault, at: Instant) -> Option<Ejected> {
        let version = self.policy.version();
        self.faults.push_back(at);
        self.faults.retain(|earlier| at.duration_since(*earlier) < FAULTS_WITHIN);
        self.is_ejected = self.faults.len() >= FAULTS;
        let kind = self.policy.code().world().kind();
        let reason = format!("{FAULTS} faults in a minute; the last: {fault}");
        self.is_ejected.then(|| Ejected { kind, version: version.clone(), reason })
    }
}

impl Budget {
    fn has_some(&mut self) -> bool {
        if self.since.elapsed() >= SHARE_OF {
            *self = Self { since: Instant::now(), used: Duration::ZERO };
        }
        self.used < SHARE
    }
}

impl Decide for PolicyDecider {
    fn offers(&mut self, version: &PolicyVersion) -> bool {
        self.seat(version).is_some()
    }

    fn choosing(&mut self, by: Option<&PolicyVersion>) -> Choosing {
        let seat = by.and_then(|version| self.seat(version));
        seat.map_or(Choosing::No, |seat| seat.policy.choosing())
    }

    fn rank(
        &mut self,
        by: Option<&PolicyVersion>,
        tasks: &[&Task],
        now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        if by.is_none() {
            return HostOrder.rank(by, tasks, now);
        }
        let pace = if tasks.len() > 1 { Pace::Background } else { Pace::Live };
        let places = self.ask(by, pace, |policy| {
            let tasks: Vec<_> = tasks.iter().map(|task| facts::task(task)).collect();
            policy.rank(&tasks, now.as_millis())
        });
        let place = |place: super::types::Place| (Rank(place.key), Group::new(&place.group));
        Some(places?.into_iter().map(place).collect())
    }

    fn choose(&mut self, by: &PolicyVersion, choice: &Choice<'_>) -> Vec<Pick> {
        let picks = self.ask(Some(by), Pace::Live, |policy| {
            let window: Vec<_> = choice.window.iter().map(facts::candidate).collect();
            let groups: Vec<_> = choice.groups.iter().map(facts::group).collect();
            let agent = facts::agent(&choice.agent);
            policy.select(&window, &groups, &agent, choice.want, (choice.now.as_millis(), choice.seed))
        });
        let pick = |pick: super::types::Pick| {
            Some(Pick { index: usize::try_from(pick.index).ok()?, reason: pick.reason.into() })
        };
        picks.into_iter().flatten().filter_map(pick).collect()
    }

    fn judge(
        &mut self,
        by: Option<&PolicyVersion>,
        request: &LockAsked<'_>,
        held: &[LockHeld<'_>],
    ) -> LockVerdict {
        let verdict = self.ask(by, Pace::Live, |policy| {
            let held: Vec<_> = held.iter().map(|held| facts::held(held, request.now)).collect();
            policy.decide(&facts::asked(request), &held)
        });
        let verdict = verdict.map_or_else(|| HostOrder.judge(by, request, held), facts::verdict);
        self.taps.pass(PolicyKind::Conflict, || {
            let held = held.iter().map(|held| facts::held(held, request.now)).collect();
            Decided::Lock { request: facts::asked(request), held, verdict: verdict.clone() }
        });
        verdict
    }

    fn may_overlap(&mut self, by: Option<&PolicyVersion>, task: &Task, running: &[&Task]) -> bool {
        let may = self.ask(by, Pace::Live, |policy| {
            let running: Vec<_> = running.iter().map(|task| facts::task(task)).collect();
            policy.overlap(&facts::task(task), &running)
        });
        may.unwrap_or_else(|| HostOrder.may_overlap(by, task, running))
    }

    fn review(
        &mut self,
        by: Option<&PolicyVersion>,
        run: &RunRequest,
        limits: &Limits,
        agent: &AgentFacts,
    ) -> Admit {
        let admit = self.ask(by, Pace::Live, |policy| {
            let answer = policy.review(&facts::run(run, limits), &facts::agent(agent))?;
            facts::admit(answer)
        });
        let admit = admit.unwrap_or_else(|| HostOrder.review(by, run, limits, agent));
        self.taps.pass(PolicyKind::Admission, || {
            let (run, agent) = (facts::run(run, limits), facts::agent(agent));
            Decided::Run { run, agent, admit: admit.clone() }
        });
        admit
    }
}
