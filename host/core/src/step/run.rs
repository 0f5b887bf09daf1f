//! Runs, from admission to record.

use std::sync::Arc;

use super::{Answer, Context, Effect, commit, crew};
use crate::{
    Access, Admit, AgentName, EventKind, FileGrants, Hold, LiveRun, Output, PolicyKind, Refusal, Reply, Role,
    Row, RunId, RunRecord, RunRequest, RunStatus, StartedRun,
};

pub(super) fn start(context: &mut Context<'_>, request: RunRequest) -> Answer {
    let agent = context.agent(Role::Worker)?.clone();
    crew::check_not_interrupted(context, &agent.name)?;
    let hold = commit::under(context, &agent.name, request.under)?;
    let state = &*context.state;
    let Some(profile) = state.profiles.get(&agent.profile) else {
        let defined = state.profiles.keys().cloned().collect();
        return Err(Refusal::NoSuchProfile { profile: agent.profile, defined });
    };
    let command = request.argv.first().ok_or(Refusal::EmptyCommand)?;
    if !profile.commands.allow(command) {
        let allowed = profile.commands.allow.clone();
        return Err(Refusal::CommandDenied { command: command.clone(), profile: agent.profile, allowed });
    }
    let live = state.live_runs_of(&agent.name);
    if live >= profile.limits.runs {
        return Err(Refusal::TooManyRuns { live, limit: profile.limits.runs, profile: agent.profile });
    }
    let facts = context.facts_of(&agent.name).ok_or_else(|| Refusal::CallerGone(agent.name.clone()))?;
    let state = &mut *context.state;
    let Some(profile) = state.profiles.get(&agent.profile) else {
        return Err(Refusal::CallerGone(agent.name));
    };
    let mut limits = profile.limits.narrowed(&request.limits);
    let mut files = Arc::clone(&profile.files);
    let mut narrow = |narrow: FileGrants| files = Arc::new(files.narrowed(narrow));
    if let Some(asked) = &request.narrow {
        narrow(FileGrants::clone(asked));
    }
    let by = state.policies.of(PolicyKind::Admission);
    match context.decide.review(by, &request, &limits, &facts) {
        Admit::Allow => {}
        Admit::Narrow(less, within) => {
            limits = limits.narrowed(&less);
            within.into_iter().for_each(narrow);
        }
        Admit::Deny(reason) => return Err(Refusal::NotAdmitted(reason)),
    }

    state.last_run += 1;
    let id = RunId { boot: state.boot, number: state.last_run };
    let started = StartedRun {
        id,
        agent: facts.agent.name.clone(),
        started_at: context.now,
        limits,
        access: if files.is_read_only() { Access::ReadOnly } else { Access::ReadWrite },
        files,
        commands: profile.commands.clone(),
        env: profile.env.clone(),
        hold,
    };
    let run = LiveRun {
        id,
        agent: facts.agent.name,
        argv: request.argv,
        cwd: request.cwd,
        hold,
        limits,
        started_at: context.now,
        job: false,
    };
    state.runs.insert(id, run);
    Ok(Reply::RunStarted(Box::new(started)))
}

/// The lease of an agent that holds exactly one.
pub(super) fn only_lease(context: &Context<'_>, agent: &AgentName) -> Option<Hold> {
    let [only] = context.state.queue.running.held_by(agent) else { return None };
    context.state.queue.hold_on(*only)
}

/// A run that ended in the meantime is no failure: its record is stored, and says more than a job's would.
pub(super) fn become_job(context: &mut Context<'_>, id: RunId) -> Answer {
    context.not_an_agent()?;
    let Some(run) = context.state.runs.get_mut(&id).filter(|run| !run.job) else {
        return Ok(Reply::Done);
    };
    run.job = true;
    let record = RunRecord {
        id,
        agent: run.agent.clone(),
        argv: run.argv.clone(),
        cwd: run.cwd.clone(),
        started_at: run.started_at,
        status: RunStatus::Running,
        output: Output::default(),
        changes: None,
    };
    let agent = run.agent.clone();
    context.step.rows.push(Row::PutRun(Box::new(record)));
    context.event(Some(agent), EventKind::RunBecameJob { run: id });
    Ok(Reply::Done)
}

/// The record is stored even if the run is unknown: a state rebuilt after a failed commit knows only jobs.
pub(super) fn end(context: &mut Context<'_>, record: Box<RunRecord>) -> Answer {
    context.not_an_agent()?;
    context.state.runs.remove(&record.id);
    if let RunStatus::Ended { outcome, consumption, .. } = &record.status {
        let ms = u64::try_from(consumption.cpu.as_millis()).unwrap_or(u64::MAX);
        context.state.lately.note_cpu(&record.agent, ms, context.now);
        let kind = EventKind::RunEnded { run: record.id, outcome: outcome.clone() };
        context.event(Some(record.agent.clone()), kind);
    }
    context.step.rows.push(Row::PutRun(record));
    Ok(Reply::Done)
}

pub(super) fn kill(context: &mut Context<'_>, id: RunId) -> Answer {
    context.agent(Role::Worker)?;
    visible(context, id)?;
    let reason = match context.author() {
        Some(agent) => format!("killed by {agent}"),
        None => "killed by the operator".to_owned(),
    };
    context.step.effects.push(Effect::KillRun { run: id, reason });
    Ok(Reply::Done)
}

pub(super) fn find(context: &Context<'_>, id: RunId) -> Answer {
    match visible(context, id) {
        Ok(run) => Ok(Reply::RunIsLive(Box::new(run.clone()))),
        Err(Refusal::NoSuchRun(id)) => Ok(Reply::RunIsNotLive(id)),
        Err(refusal) => Err(refusal),
    }
}

/// The live run `id`. One that the caller may not see does not exist for it.
fn visible<'a>(context: &'a Context<'_>, id: RunId) -> Result<&'a LiveRun, Refusal> {
    let run = context.state.runs.get(&id).ok_or(Refusal::NoSuchRun(id))?;
    if context.may_see_runs_of(&run.agent)? { Ok(run) } else { Err(Refusal::NoSuchRun(id)) }
}
