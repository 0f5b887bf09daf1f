//! Handing out tasks.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::{Context, claimed, commit, crew};
use crate::queue::{Blocker, Class, Queue, WaitingClaim, has_all};
use crate::{
    AgentName, Candidate, Choice, Choosing, Chosen, ClaimRequest, Claimed, Grant, Grounds, Group, GroupFacts,
    Keyed, Lease, Nothing, OnParentFailure, Pick, Placing, PolicyKind, Rank, Refusal, Reply, Role, Stands,
    State, Task, TaskEvent, TaskId, TaskRefusal, TaskStatus, Timestamp, Want,
};

/// How long a lease may be renewed for, in milliseconds: from 1 s to a day.
const TTL_MS: (u64, u64) = (1_000, 24 * 3_600 * 1_000);
/// The most tasks in progress with some of the same paths beside which another may begin: a policy is shown 16.
const MAX_OVERLAPPING: usize = 17;
/// How long a lease may last at most, in milliseconds: from 1 s to a week.
const MAX_LEASE_MS: (u64, u64) = (1_000, 7 * 24 * 3_600 * 1_000);

/// Grants at once, waits if asked to, or says why there is nothing.
pub(super) fn claim(
    context: &mut Context<'_>,
    request: ClaimRequest,
    keyed: Option<&Keyed>,
    ended: Option<Stands>,
) -> Result<Option<Reply>, Refusal> {
    let agent = context.agent(Role::Worker)?.name.clone();
    check(&request)?;
    if let Err(refusal) = check_wanted(context, &agent, &request) {
        // What the same call ended stays ended, and its caller must learn that.
        let nothing = Some(Nothing::Blocked);
        return match ended {
            Some(_) => Ok(Some(claimed(Claimed { ended, grants: Vec::new(), nothing }))),
            None => Err(refusal.into()),
        };
    }
    commit::knows_its_leases(context, &agent);
    let (grants, nothing) = attempt(context, &agent, &request);
    match request.wait_until.filter(|until| grants.is_empty() && *until > context.now) {
        Some(until) => {
            let keyed = keyed.cloned();
            // What the same call ended stays ended, and a repeat must learn that, whatever becomes of the claim.
            if let (Some(_), Some(keyed)) = (ended, &keyed) {
                context.keep(
                    &agent,
                    keyed.clone(),
                    &claimed(Claimed { ended, grants: Vec::new(), nothing: None }),
                );
            }
            let claim = WaitingClaim { waiter: context.waiter, agent, request, until, ended, keyed };
            context.state.queue.waiting.add(claim);
            Ok(None)
        }
        None => Ok(Some(claimed(Claimed { ended, grants, nothing }))),
    }
}

/// Whether the claim itself makes sense.
pub(super) fn check(request: &ClaimRequest) -> Result<(), TaskRefusal> {
    let within = |field, value, (least, most)| {
        let ok = (least..=most).contains(&value);
        if ok { Ok(()) } else { Err(TaskRefusal::ClaimOutOfRange { field, value, least, most }) }
    };
    within("ttl_ms", request.ttl_ms, TTL_MS)?;
    within("max_lease_ms", request.max_lease_ms, MAX_LEASE_MS)?;
    match request.want {
        Want::Next(count) => within("count", count.into(), (1, ClaimRequest::MAX_WANT.into())),
        Want::Task(_) => Ok(()),
    }
}

/// Whether a task that is asked for by its id can be had at all by this agent, now or later.
pub(super) fn check_wanted(
    context: &Context<'_>,
    agent: &AgentName,
    request: &ClaimRequest,
) -> Result<(), TaskRefusal> {
    let Want::Task(id) = request.want else { return Ok(()) };
    let needs = "pending";
    let Some(task) = context.state.queue.get(id) else {
        return Err(match context.state.queue.fate(id) {
            Some(status) => TaskRefusal::WrongStatus { task: id, status, needs },
            None => TaskRefusal::NoSuchTask(id),
        });
    };
    let status = task.state.status;
    if let Some(lease) = &task.state.lease {
        return Err(TaskRefusal::AlreadyClaimed { task: id, holder: lease.holder.clone() });
    }
    let refused = |why| Err(TaskRefusal::NotForYou { task: id, agent: agent.clone(), why });
    if task.spec.assigned_to.as_ref().is_some_and(|assignee| assignee != agent) {
        return refused("it is assigned to somebody else");
    }
    let advertised =
        context.state.agents.get(agent).map(|agent| agent.capabilities.as_slice()).unwrap_or_default();
    if !has_all(advertised, &task.spec.capabilities) {
        return refused("it needs capabilities that the agent does not have");
    }
    if status != TaskStatus::Pending && request.wait_until.is_none_or(|until| until <= context.now) {
        return Err(TaskRefusal::WrongStatus { task: id, status, needs });
    }
    Ok(())
}

/// Grants what the agent may have now. Why nothing, if there is nothing.
pub(super) fn attempt(
    context: &mut Context<'_>,
    agent: &AgentName,
    request: &ClaimRequest,
) -> (Vec<Grant>, Option<Nothing>) {
    offer_behind_own_locks(context, agent);
    let mut grants = Vec::new();
    let mut picks = Picks::new(request.want);
    while picks.left > 0 {
        let found = match closed(context, agent) {
            Some(nothing) => Err(nothing),
            None => next(context, agent, &mut picks).ok_or(nothing_suitable(context)),
        };
        match found {
            Ok((id, chosen)) => grants.extend(grant(context, id, agent, request, chosen)),
            Err(nothing) => {
                let nothing = grants.is_empty().then_some(nothing);
                return (grants, nothing);
            }
        }
        picks.left -= 1;
    }
    (grants, None)
}

/// What a claim wants, and what the scheduler has picked for it.
struct Picks {
    want: Want,
    left: u32,
    picked: VecDeque<(TaskId, Arc<str>)>,
}

impl Picks {
    const fn new(want: Want) -> Self {
        let left = match want {
            Want::Next(count) => count,
            Want::Task(_) => 1,
        };
        Self { want, left, picked: VecDeque::new() }
    }
}

/// Offers again what was put aside because of a lock that is the agent's own.
pub(super) fn offer_behind_own_locks(context: &mut Context<'_>, agent: &AgentName) {
    for id in context.state.queue.parked.behind_locks() {
        if context.state.locks.get(id).is_some_and(|lock| lock.terms.holder.agent == *agent) {
            context.state.queue.release_parked(Blocker::Lock(id));
        }
    }
}

/// What keeps the agent from having any task now.
fn closed(context: &Context<'_>, agent: &AgentName) -> Option<Nothing> {
    let queue = &context.state.queue;
    if queue.rules.paused {
        return Some(Nothing::Paused);
    }
    if let Some(nothing) = crew::closed(context, agent) {
        return Some(nothing);
    }
    let held = u32::try_from(queue.running.held_by(agent).len()).unwrap_or(u32::MAX);
    queue.rules.limit_of(agent).filter(|limit| held >= *limit).map(|limit| Nothing::Limit { limit })
}

fn nothing_suitable(context: &Context<'_>) -> Nothing {
    if context.state.queue.tasks().next().is_none() { Nothing::None } else { Nothing::Blocked }
}

/// The task that a claim of the agent's would be given now. Nothing is put aside.
pub(in super::super) fn next_for(context: &mut Context<'_>, agent: &AgentName) -> Option<(TaskId, Chosen)> {
    let next = next(context, agent, &mut Picks::new(Want::Next(1)));
    context.state.queue.release_all_parked();
    next
}

/// The next task that the agent may begin now, and why it is that one. Those found on the way that would get into
/// somebody's way are put aside until that changes.
fn next(context: &mut Context<'_>, agent: &AgentName, picks: &mut Picks) -> Option<(TaskId, Chosen)> {
    loop {
        let (id, chosen) = candidate(context, agent, picks)?;
        match blocker(context, id, agent) {
            Some(blocker) => context.state.queue.park(id, blocker),
            None => return Some((id, chosen)),
        }
    }
}

fn candidate(context: &mut Context<'_>, agent: &AgentName, picks: &mut Picks) -> Option<(TaskId, Chosen)> {
    let Context { state, decide, now, seed, .. } = context;
    let (state, now) = (&**state, *now);
    let queue = &state.queue;
    let mut reopens_at = queue.reopens_at;
    let mut open = |class: &Class| match queue.rules.closed_by(class, &queue.running, &queue.rates, now) {
        None => true,
        Some(label) => {
            let rate = queue.rules.limits.labels.get(label).and_then(|limit| limit.starts_per_second);
            let later = rate.map(|rate| queue.rates.opens_at(label, rate)).filter(|at| *at > now);
            reopens_at = reopens_at.into_iter().chain(later).min();
            false
        }
    };
    let index = queue.ready.serving();
    let is_open = |id: &TaskId, open: &mut dyn FnMut(&Class) -> bool| {
        index.contains(*id) && queue.get(*id).is_some_and(|task| open(&queue.class(task)))
    };
    let found = match picks.want {
        Want::Task(id) => is_open(&id, &mut open).then_some((id, Chosen::Named)),
        Want::Next(_) => {
            let advertised = &state.agents.get(agent)?.capabilities;
            if let Some(id) = index.overdue(agent, advertised, &mut open) {
                Some((id, Chosen::Oldest))
            } else {
                picks.picked.retain(|(id, _)| is_open(id, &mut open));
                if let (Choosing::Yes { wants_near }, Some(by), true) =
                    (index.order.choosing, &index.order.by, picks.picked.is_empty())
                {
                    let window = index.window(agent, advertised, &mut open);
                    if let Some(choice) = shown(state, agent, &window, wants_near, now) {
                        let choice = Choice { want: picks.left, seed: *seed, ..choice };
                        let picked = decide.choose(by, &choice).into_iter();
                        let id = |pick: Pick| Some((choice.window.get(pick.index)?.id(), pick.reason));
                        picks.picked = picked.filter_map(id).collect();
                    }
                }
                let first = || Some((index.first(agent, advertised, &mut open)?, Chosen::First));
                let picked = picks.picked.pop_front();
                picked.map(|(id, reason)| (id, Chosen::Picked(reason))).or_else(first)
            }
        }
    };
    context.state.queue.reopens_at = reopens_at;
    found
}

/// What a scheduler is shown of a claim; `None` if there is nothing to choose from.
fn shown<'a>(
    state: &'a State,
    agent: &AgentName,
    window: &[(Rank, TaskId, &Group)],
    wants_near: bool,
    now: Timestamp,
) -> Option<Choice<'a>> {
    let queue = &state.queue;
    let mut names: Vec<&Group> = window.iter().map(|(.., group)| *group).collect();
    names.sort_unstable();
    names.dedup();
    let candidate = |(rank, id, group): &(Rank, TaskId, &Group)| {
        let task = queue.get(*id)?;
        let near = if wants_near { state.lately.near(agent, &task.spec.touches) } else { 0 };
        Some(Candidate { task, rank: *rank, group: names.binary_search(group).ok()?, near })
    };
    let window: Vec<Candidate<'_>> = window.iter().filter_map(candidate).collect();
    let group = |group: &&Group| {
        let (held, served_ms) = queue.running.of_group(group, now);
        GroupFacts { group: (*group).clone(), ready: queue.ready.serving().ready_of(group), held, served_ms }
    };
    let groups = names.iter().map(group).collect();
    let agent = state.facts_of(agent, now)?;
    (!window.is_empty()).then_some(Choice { window, groups, agent, want: 1, now, seed: 0 })
}

/// Somebody else's lock on paths that the task touches, or a task in progress that touches some of the same and may
/// not run beside this one.
fn blocker(context: &mut Context<'_>, id: TaskId, agent: &AgentName) -> Option<Blocker> {
    let queue = &context.state.queue;
    let task = queue.get(id)?;
    if let Some(lock) = context.state.locks.in_the_way(agent, &task.spec.touches) {
        return Some(Blocker::Lock(lock));
    }
    let running = queue.running.touching().iter().filter_map(|running| queue.get(*running));
    let overlapping =
        running.filter(|running| crate::overlap(&task.spec.touches, &running.spec.touches).is_some());
    let overlapping: Vec<&Task> = overlapping.take(MAX_OVERLAPPING).collect();
    let first = overlapping.first()?.id;
    let by = context.state.policies.of(PolicyKind::Conflict);
    // More of them than a policy is shown are too many.
    let may = overlapping.len() < MAX_OVERLAPPING && context.decide.may_overlap(by, task, &overlapping);
    (!may).then_some(Blocker::Task(first))
}

fn grant(
    context: &mut Context<'_>,
    id: TaskId,
    agent: &AgentName,
    request: &ClaimRequest,
    chosen: Chosen,
) -> Option<Grant> {
    let now = context.now;
    crew::hear(context, agent);
    commit::knows_its_leases(context, agent);
    let fence = context.next_fence();
    note_grant(context, id, agent);
    let queue = &mut context.state.queue;
    let by = queue.ready.serving().order.by.clone();
    let task = queue.get(id)?;
    let (placing, attempt, spec) = (task.placing.clone(), task.state.attempt + 1, Arc::clone(&task.spec));
    for label in spec.labels.iter().filter(|label| queue.rules.gates(label)) {
        queue.rates.note(label, now);
    }
    let failed_parents = failed_parents(context, id);
    let hard_end = now.plus_millis(request.max_lease_ms);
    let lease = Lease {
        holder: agent.clone(),
        fence,
        session: request.session.clone(),
        claimed_at: now,
        ttl_ms: request.ttl_ms,
        expires_at: now.plus_millis(request.ttl_ms).min(hard_end),
        hard_end,
        progressed_at: now,
    };
    let expires_at = lease.expires_at;
    let mut waited_ms = 0;
    context.change(id, |task| {
        let state = &mut task.state;
        waited_ms = u64::try_from(now.since(state.updated_at).as_millis()).unwrap_or(u64::MAX);
        state.status = TaskStatus::InProgress;
        state.fence = Some(fence);
        state.preferred = None;
        state.lease = Some(lease);
    });
    let Placing { rank, group, .. } = placing;
    let choice = Grounds { by, chosen, rank, group };
    let event = TaskEvent::Claimed { fence, attempt, waited_ms, choice };
    context.task_event(Some(agent.clone()), id, event);
    Some(Grant { task: id, fence, attempt, expires_at, hard_end, failed_parents })
}

/// Counts the grant, for the turn of the oldest.
fn note_grant(context: &mut Context<'_>, id: TaskId, agent: &AgentName) {
    let Some(agent) = context.state.agents.get(agent) else { return };
    let Queue { ready, rules, running, rates, .. } = &mut context.state.queue;
    let open = |class: &Class| rules.closed_by(class, running, rates, context.now).is_none();
    ready.serving_mut().note_grant(id, &agent.name, &agent.capabilities, open);
}

/// What the task depends on and what ended badly, if it wants to know.
fn failed_parents(context: &Context<'_>, id: TaskId) -> Vec<TaskId> {
    match context.state.queue.get(id) {
        Some(task) if task.spec.on_parent_failure == OnParentFailure::Run => {
            context.ended_badly(task).collect()
        }
        Some(_) | None => Vec::new(),
    }
}
