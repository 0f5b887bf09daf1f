//! An instance of a policy, and its calls: each with its own fuel, and its answer checked.

use std::sync::Arc;

use wasmtime::{Store, Trap};

use super::bindings::admission::Admission;
use super::bindings::conflict::Conflict;
use super::bindings::longhouse::policy::{console, types};
use super::bindings::ranker::Ranker;
use super::bindings::scheduler::Scheduler;
use super::code::Code;
use super::types::{
    Admit, AgentFacts, Candidate, Description, GroupFacts, LockFacts, LockRequest, Pick, Place, RunRequest,
    TaskFacts, Verdict,
};
use super::{Fault, PolicyCode, PolicyError};
use crate::limits::{MemoryBudget, MemoryLimit, RunMemory};

/// How much more fuel than a decision takes an instance has to start, describe and configure itself.
const SETUP: u64 = 1_000;
/// How much a decision is told with the usual fuel, in entries of lists. Python, the slowest, takes five thousand units for each.
const TOLD: usize = 512;
/// A task, a lock or a run counts as so many, beside its lists.
const ITSELF: usize = 8;
/// How much more fuel a decision has that is told more, at most: a claim may have to wait for it.
const MOST_TIMES: usize = 16;
/// How much of what is printed in a call is kept, in bytes.
const CONSOLE: usize = 4 << 10;
/// How deep a policy's calls go, and how much of its memory an answer takes at most, is bounded by wasmtime; how long the words
/// are that are kept of it, by these, in bytes.
const MAX_GROUP: usize = 64;
const MAX_PICK_REASON: usize = 200;
const MAX_REASON: usize = 300;
const MAX_NAME: usize = 64;

/// What the host keeps for an instance.
pub(super) struct PolicyState {
    limit: MemoryLimit,
    console: String,
}

impl types::Host for PolicyState {}

impl console::Host for PolicyState {
    fn print(&mut self, text: String) {
        let room = CONSOLE.saturating_sub(self.console.len());
        self.console.push_str(cut(&text, room));
        if room > 0 {
            self.console.push('\n');
        }
    }
}

/// A policy, set up with its configuration.
pub struct PolicyInstance {
    store: Store<PolicyState>,
    exports: Exports,
    description: Description,
    fuel: u64,
}

enum Exports {
    Ranker(Ranker),
    Scheduler(Scheduler),
    Conflict(Conflict),
    Admission(Admission),
}

impl PolicyInstance {
    pub(super) fn new(code: &PolicyCode, config: &str) -> Result<Self, PolicyError> {
        // Its own limit is the only one: there are few policies.
        let budget = Arc::new(MemoryBudget::new(u64::MAX, 0));
        let limit = MemoryLimit::new(Arc::new(RunMemory::new(budget, code.memory)));
        let mut store = Store::new(&code.engine, PolicyState { limit, console: String::new() });
        store.limiter(|state| &mut state.limit);
        let fuel = code.fuel.saturating_mul(SETUP);
        let setup = |error| PolicyError::Setup(error);
        let failed = |error: wasmtime::Error, store: &Store<PolicyState>| fault(&error, store);

        store.set_fuel(fuel).map_err(|error| setup(failed(error, &store)))?;
        let exports = Exports::new(code, &mut store).map_err(|error| setup(failed(error, &store)))?;
        let description = exports.describe(&mut store).map_err(|error| setup(failed(error, &store)))?;
        check_description(&description)?;
        let configured =
            exports.configure(&mut store, config).map_err(|error| setup(failed(error, &store)))?;
        configured.map_err(|refusal| PolicyError::Configuration(cut(&refusal, MAX_REASON).to_owned()))?;
        let fuel = code.fuel.saturating_mul(code.times.into());
        Ok(Self { store, exports, description, fuel })
    }

    /// What it says of itself.
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// What it printed since this was last asked.
    pub fn printed(&mut self) -> String {
        std::mem::take(&mut self.store.data_mut().console)
    }

    /// Ranks tasks.
    ///
    /// # Errors
    /// The fault; the instance is of no use any more if it trapped. One that is of another kind answers with nothing.
    pub fn rank(&mut self, tasks: &[TaskFacts], now_ms: u64) -> Result<Vec<Place>, Fault> {
        let places = self.call(entries(tasks), |exports, store| match exports {
            Exports::Ranker(ranker) => ranker.longhouse_policy_ranking().call_rank(store, tasks, now_ms),
            Exports::Scheduler(scheduler) => {
                scheduler.longhouse_policy_ranking().call_rank(store, tasks, now_ms)
            }
            Exports::Conflict(_) | Exports::Admission(_) => Ok(Vec::new()),
        })?;
        if places.len() != tasks.len() {
            return bad(format!("{} places for {} tasks", places.len(), tasks.len()));
        }
        match places.iter().find(|place| place.group.len() > MAX_GROUP) {
            Some(place) => {
                bad(format!("a group's name has {} bytes, and may have {MAX_GROUP}", place.group.len()))
            }
            None => Ok(places),
        }
    }

    /// Whether it chooses: [`PolicyInstance::select`] is for those that do.
    pub const fn selects(&self) -> bool {
        matches!(self.exports, Exports::Scheduler(_))
    }

    /// Chooses among candidates.
    ///
    /// # Errors
    /// As for [`PolicyInstance::rank`].
    pub fn select(
        &mut self,
        window: &[Candidate],
        groups: &[GroupFacts],
        agent: &AgentFacts,
        want: u32,
        (now_ms, seed): (u64, u64),
    ) -> Result<Vec<Pick>, Fault> {
        let picks = self.call(window.len(), |exports, store| match exports {
            Exports::Scheduler(scheduler) => scheduler
                .longhouse_policy_selection()
                .call_select(store, window, groups, agent, want, now_ms, seed),
            Exports::Ranker(_) | Exports::Conflict(_) | Exports::Admission(_) => Ok(Vec::new()),
        })?;
        let index = |pick: &Pick| usize::try_from(pick.index).unwrap_or(usize::MAX);
        if u32::try_from(picks.len()).map_or(true, |picked| picked > want) {
            return bad(format!("{} picks, and {want} were wanted", picks.len()));
        }
        if picks.is_empty() && want > 0 && !window.is_empty() {
            return bad(format!("it picked none of {} candidates", window.len()));
        }
        let mut picked = vec![false; window.len()];
        for pick in &picks {
            match picked.get_mut(index(pick)) {
                None => return bad(format!("it picked {} of {} candidates", pick.index, window.len())),
                Some(true) => return bad(format!("it picked {} twice", pick.index)),
                Some(picked) => *picked = true,
            }
            if pick.reason.len() > MAX_PICK_REASON {
                return bad(format!(
                    "a reason has {} bytes, and may have {MAX_PICK_REASON}",
                    pick.reason.len()
                ));
            }
        }
        Ok(picks)
    }

    /// Decides about a lock.
    ///
    /// # Errors
    /// As for [`PolicyInstance::rank`].
    pub fn decide(&mut self, request: &LockRequest, held: &[LockFacts]) -> Result<Verdict, Fault> {
        let told = held.iter().map(|lock| ITSELF + lock.patterns.len()).sum::<usize>();
        let verdict = self.call(told + request.patterns.len(), |exports, store| match exports {
            Exports::Conflict(policy) => policy.longhouse_policy_locking().call_decide(store, request, held),
            Exports::Ranker(_) | Exports::Scheduler(_) | Exports::Admission(_) => Ok(Verdict::Wait),
        })?;
        let conflicting = |id: &u64| held.iter().any(|lock| lock.conflicts && lock.id == *id);
        match &verdict {
            Verdict::Grant if held.iter().any(|lock| lock.conflicts) => {
                bad("it granted what a lock conflicts with")
            }
            Verdict::Break(locks) if !locks.iter().all(conflicting) => {
                bad("it broke a lock that does not conflict with what is asked for")
            }
            Verdict::Deny(reason) if reason.len() > MAX_REASON => too_long(reason),
            Verdict::Grant | Verdict::Wait | Verdict::Deny(_) | Verdict::Break(_) => Ok(verdict),
        }
    }

    /// Whether a task may go on beside others.
    ///
    /// # Errors
    /// As for [`PolicyInstance::rank`].
    pub fn overlap(&mut self, task: &TaskFacts, running: &[TaskFacts]) -> Result<bool, Fault> {
        let told = entries(std::slice::from_ref(task)) + entries(running);
        self.call(told, |exports, store| match exports {
            Exports::Conflict(policy) => policy.longhouse_policy_locking().call_overlap(store, task, running),
            Exports::Ranker(_) | Exports::Scheduler(_) | Exports::Admission(_) => Ok(false),
        })
    }

    /// Decides about a run.
    ///
    /// # Errors
    /// As for [`PolicyInstance::rank`].
    pub fn review(&mut self, run: &RunRequest, agent: &AgentFacts) -> Result<Admit, Fault> {
        let admit = self.call(run.argv.len(), |exports, store| match exports {
            Exports::Admission(policy) => policy.longhouse_policy_review().call_review(store, run, agent),
            Exports::Ranker(_) | Exports::Scheduler(_) | Exports::Conflict(_) => Ok(Admit::Allow),
        })?;
        match &admit {
            Admit::Deny(reason) if reason.len() > MAX_REASON => too_long(reason),
            Admit::Allow | Admit::Narrow(_) | Admit::Deny(_) => Ok(admit),
        }
    }

    fn call<T>(
        &mut self,
        told: usize,
        call: impl FnOnce(&Exports, &mut Store<PolicyState>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.store.data_mut().console.clear();
        let times = u64::try_from(told.div_ceil(TOLD).clamp(1, MOST_TIMES)).unwrap_or(1);
        let answer = self
            .store
            .set_fuel(self.fuel.saturating_mul(times))
            .and_then(|()| call(&self.exports, &mut self.store));
        answer.map_err(|error| fault(&error, &self.store))
    }
}

impl Exports {
    fn new(code: &PolicyCode, store: &mut Store<PolicyState>) -> wasmtime::Result<Self> {
        Ok(match &code.code {
            Code::Ranker(pre) => Self::Ranker(pre.instantiate(store)?),
            Code::Scheduler(pre) => Self::Scheduler(pre.instantiate(store)?),
            Code::Conflict(pre) => Self::Conflict(pre.instantiate(store)?),
            Code::Admission(pre) => Self::Admission(pre.instantiate(store)?),
        })
    }

    fn describe(&self, store: &mut Store<PolicyState>) -> wasmtime::Result<Description> {
        match self {
            Self::Ranker(policy) => policy.longhouse_policy_lifecycle().call_describe(store),
            Self::Scheduler(policy) => policy.longhouse_policy_lifecycle().call_describe(store),
            Self::Conflict(policy) => policy.longhouse_policy_lifecycle().call_describe(store),
            Self::Admission(policy) => policy.longhouse_policy_lifecycle().call_describe(store),
        }
    }

    fn configure(
        &self,
        store: &mut Store<PolicyState>,
        config: &str,
    ) -> wasmtime::Result<Result<(), String>> {
        match self {
            Self::Ranker(policy) => policy.longhouse_policy_lifecycle().call_configure(store, config),
            Self::Scheduler(policy) => policy.longhouse_policy_lifecycle().call_configure(store, config),
            Self::Conflict(policy) => policy.longhouse_policy_lifecycle().call_configure(store, config),
            Self::Admission(policy) => policy.longhouse_policy_lifecycle().call_configure(store, config),
        }
    }
}

/// How much somebody is told who is told of these.
fn entries(tasks: &[TaskFacts]) -> usize {
    let of = |task: &TaskFacts| ITSELF + task.labels.len() + task.capabilities.len() + task.touches.len();
    tasks.iter().map(of).sum()
}

fn check_description(description: &Description) -> Result<(), PolicyError> {
    let Description { name, version, summary, wants_near: _ } = description;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
        return Err(PolicyError::Description("its name has 1 to 64 lower case letters, digits and hyphens"));
    }
    if version.len() > MAX_NAME || summary.len() > MAX_REASON {
        return Err(PolicyError::Description("its version has at most 64 bytes, its summary at most 300"));
    }
    Ok(())
}

fn fault(error: &wasmtime::Error, store: &Store<PolicyState>) -> Fault {
    // Whoever is refused memory gives up in many ways.
    if store.data().limit.refused().is_some() {
        return Fault::OutOfMemory;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::OutOfFuel,
        Some(trap) => {
            let printed = store.data().console.trim_end();
            let printed = if printed.is_empty() { String::new() } else { format!(": {printed}") };
            Fault::Trapped(cut(&format!("{trap}{printed}"), MAX_REASON).to_owned())
        }
        None => Fault::Trapped(cut(&format!("{error:#}"), MAX_REASON).to_owned()),
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::BadAnswer(why.into()))
}

fn too_long<T>(reason: &str) -> Result<T, Fault> {
    bad(format!("a reason has {} bytes, and may have {MAX_REASON}", reason.len()))
}

/// The beginning of a text: at most this many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

impl std::fmt::Debug for PolicyInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicyInstance").field(&self.description.name).finish()
    }
}
