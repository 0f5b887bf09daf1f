//! What policies are told, made of what the coordinator knows; and what they answer.

use std::time::Duration;

use longhouse_core as core;
use longhouse_core::{FileGrants, LimitsRequest, LockId, PathPattern, ProjectPath, Timestamp, Under};

use super::Fault;
use super::types::{
    Admit, AgentFacts, Candidate, GroupFacts, LockFacts, LockMode, LockRequest, Narrowing, RunLimits,
    RunRequest, TaskFacts, Verdict,
};

/// The most globs in what an admission policy answers.
const MAX_GLOBS: usize = 256;

pub(super) fn task(task: &core::Task) -> TaskFacts {
    let spec = &task.spec;
    TaskFacts {
        id: task.id.0,
        priority: spec.priority.get(),
        created_at_ms: task.created_at.as_millis(),
        deadline_at_ms: spec.deadline.map(Timestamp::as_millis),
        creator: task.creator.as_ref().map(ToString::to_string),
        assigned_to: spec.assigned_to.as_ref().map(ToString::to_string),
        attempt: task.state.attempt,
        lost_count: task.state.lost_count,
        labels: texts(&spec.labels),
        capabilities: texts(&spec.capabilities),
        touches: texts(&spec.touches),
    }
}

pub(super) fn agent(facts: &core::AgentFacts) -> AgentFacts {
    let core::AgentFacts { agent, tasks_held, live_runs, recent_cpu_ms } = facts;
    AgentFacts {
        name: agent.name.to_string(),
        role: agent.role.to_string(),
        profile: agent.profile.to_string(),
        capabilities: texts(&agent.capabilities),
        tasks_held: *tasks_held,
        live_runs: *live_runs,
        recent_cpu_ms: *recent_cpu_ms,
    }
}

pub(super) fn candidate(candidate: &core::Candidate<'_>) -> Candidate {
    let core::Candidate { task, rank, group, near } = candidate;
    Candidate {
        task: task.id.0,
        key: rank.0,
        group: u32::try_from(*group).unwrap_or(u32::MAX),
        priority: task.spec.priority.get(),
        created_at_ms: task.created_at.as_millis(),
        ready_at_ms: task.state.updated_at.as_millis(),
        deadline_at_ms: task.spec.deadline.map(Timestamp::as_millis),
        near: *near,
    }
}

pub(super) fn group(facts: &core::GroupFacts) -> GroupFacts {
    let core::GroupFacts { group, ready, held, served_ms } = facts;
    GroupFacts { name: group.as_str().to_owned(), ready: *ready, held: *held, served_ms: *served_ms }
}

pub(super) fn asked(request: &core::LockAsked<'_>) -> LockRequest {
    let terms = request.terms;
    LockRequest {
        agent: agent(&request.agent),
        task: terms.holder.task.map(|hold| hold.task.0),
        mode: mode(terms.mode),
        patterns: texts(&terms.patterns),
        ttl_ms: request.ttl_ms,
        reason: request.reason.to_owned(),
    }
}

pub(super) fn held(held: &core::LockHeld<'_>, now: Timestamp) -> LockFacts {
    let core::LockHeld { lock, conflicts } = held;
    LockFacts {
        id: lock.id.0,
        holder: lock.terms.holder.agent.to_string(),
        task: lock.terms.holder.task.map(|hold| hold.task.0),
        mode: mode(lock.terms.mode),
        patterns: texts(&lock.terms.patterns),
        left_ms: lock.expires_at.as_millis().saturating_sub(now.as_millis()),
        reason: lock.reason.to_string(),
        conflicts: *conflicts,
    }
}

pub(super) fn verdict(verdict: Verdict) -> core::LockVerdict {
    match verdict {
        // Where nothing conflicts there is nothing to wait for.
        Verdict::Grant | Verdict::Wait => core::LockVerdict::Allow,
        Verdict::Deny(reason) => core::LockVerdict::Deny(reason.into()),
        Verdict::Break(locks) => core::LockVerdict::Break(locks.into_iter().map(LockId).collect()),
    }
}

pub(super) fn run(run: &core::RunRequest, limits: &core::Limits) -> RunRequest {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    RunRequest {
        argv: run.argv.clone(),
        cwd: run.cwd.to_string(),
        task: match run.under {
            Under::Lease(hold) => Some(hold.task.0),
            Under::TheOnlyLease | Under::NoLease => None,
        },
        limits: RunLimits {
            wall_ms: ms(limits.wall),
            cpu_ms: ms(limits.cpu),
            memory: limits.memory,
            output: limits.output,
        },
    }
}

pub(super) fn admit(admit: Admit) -> Result<core::Admit, Fault> {
    let Narrowing { wall_ms, cpu_ms, memory, output, write } = match admit {
        Admit::Allow => return Ok(core::Admit::Allow),
        Admit::Deny(reason) => return Ok(core::Admit::Deny(reason)),
        Admit::Narrow(narrowing) => narrowing,
    };
    if write.iter().map(Vec::len).sum::<usize>() > MAX_GLOBS || write.len() > MAX_GLOBS {
        return Err(Fault::BadAnswer(format!("more than {MAX_GLOBS} globs")));
    }
    let grants = write.iter().map(|globs| Ok(FileGrants { write: parsed(globs)?, ..reading() }));
    let wall = wall_ms.map(Duration::from_millis);
    let cpu = cpu_ms.map(Duration::from_millis);
    let limits = LimitsRequest { wall, cpu, memory, output };
    Ok(core::Admit::Narrow(limits, grants.collect::<Result<_, Fault>>()?))
}

/// Reading is granted, and nothing else.
fn reading() -> FileGrants {
    FileGrants { read: vec![PathPattern::of(&ProjectPath::root())], ..FileGrants::default() }
}

fn parsed(globs: &[String]) -> Result<Vec<PathPattern>, Fault> {
    let parse = |glob: &String| {
        glob.parse::<PathPattern>().map_err(|error| Fault::BadAnswer(format!("no glob: {error}")))
    };
    globs.iter().map(parse).collect()
}

const fn mode(mode: core::LockMode) -> LockMode {
    match mode {
        core::LockMode::Shared => LockMode::Shared,
        core::LockMode::Exclusive => LockMode::Exclusive,
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
