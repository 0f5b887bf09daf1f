//! What a change stands on, and whether that is in force.

use super::super::run::only_lease;
use super::super::{Context, lock, task};
use crate::{AgentName, Authority, Changes, CommitRow, Hold, Refusal, Role, Row, Under};

/// The lease that work begins under which arrives now. Whoever lost a lease and may not know is taken at its old word:
/// it works under the one that it lost, until it claims or asks where it stands.
pub(in super::super) fn under(
    context: &Context<'_>,
    agent: &AgentName,
    under: Under,
) -> Result<Option<Hold>, Refusal> {
    let lost = context.state.commits.unaware.get(agent).copied();
    match under {
        Under::Lease(hold) => task::held_by(context, agent, hold).map(|_| Some(hold)),
        Under::TheOnlyLease => Ok(lost.or_else(|| only_lease(context, agent))),
        Under::NoLease => Ok(lost),
    }
}

/// Whether a change may be made now: its agent is there, knows which leases it has, and leases and locks say so.
/// What came from outside was made.
pub(super) fn check(context: &Context<'_>, by: Option<&Authority>, changes: &Changes) -> Result<(), Refusal> {
    let Some(by) = by else { return Ok(()) };
    let agent = &by.holder.agent;
    context.agent_named(agent, Role::Worker)?;
    if let (None, Some(lost)) = (by.holder.task, context.state.commits.unaware.get(agent)) {
        task::held_by(context, agent, *lost)?;
    }
    lock::may_change(context, by, changes)
}

/// An agent's lease was lost, and it may go on as if it had not been.
pub(in super::super) fn lease_lost(context: &mut Context<'_>, agent: &AgentName, hold: Hold) {
    context.state.commits.unaware.insert(agent.clone(), hold);
    context.step.rows.push(Row::Commit(CommitRow::PutUnaware(agent.clone(), hold)));
}

/// An agent claimed, or was told where it stands.
pub(in super::super) fn knows_its_leases(context: &mut Context<'_>, agent: &AgentName) {
    if context.state.commits.unaware.remove(agent).is_some() {
        context.step.rows.push(Row::Commit(CommitRow::DeleteUnaware(agent.clone())));
    }
}
