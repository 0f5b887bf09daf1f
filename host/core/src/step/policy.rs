//! Which policies decide, and what they are told.

use super::{Answer, Context};
use crate::{
    AgentFacts, AgentName, EventKind, PolicyCommand, PolicyEvent, PolicyKind, Refusal, Reply, Role, Row,
};

pub(super) fn dispatch(context: &mut Context<'_>, command: PolicyCommand) -> Answer {
    match command {
        PolicyCommand::Find => return Ok(Reply::Policies(Box::new(context.state.policies.clone()))),
        PolicyCommand::Set { kind, version } => {
            context.at_least(Role::Admin)?;
            let before = context.state.policies.of(kind).cloned();
            if before != version {
                context.state.policies.set(kind, version.clone());
                tell(context, PolicyEvent::Set { kind, version, before });
            }
        }
        PolicyCommand::RollBack { kind, to } => {
            context.at_least(Role::Admin)?;
            let before = context.state.policies.of(kind).cloned();
            if !context.state.policies.roll_back(kind, to.as_ref()) {
                return Err(Refusal::NoEarlierPolicy(kind));
            }
            tell(context, PolicyEvent::Set { kind, version: to, before });
        }
        PolicyCommand::Eject { kind, version, reason } => {
            context.not_an_agent()?;
            if context.state.policies.of(kind) == Some(&version) {
                context.state.policies.set(kind, None);
                tell(context, PolicyEvent::Ejected { kind, version, reason });
            }
        }
    }
    Ok(Reply::Done)
}

fn tell(context: &mut Context<'_>, event: PolicyEvent) {
    let (PolicyEvent::Set { kind, .. } | PolicyEvent::Ejected { kind, .. }) = &event;
    match kind {
        PolicyKind::Conflict => context.state.queue.release_all_parked(),
        PolicyKind::Scheduler | PolicyKind::Admission => {}
    }
    context.step.rows.push(Row::SetPolicies(Box::new(context.state.policies.clone())));
    let author = context.author();
    context.event(author, EventKind::Policy(event));
}

/// Has tasks ranked by the scheduler in force, as soon as it can be asked; by the host until then.
pub(super) fn keep_order(context: &mut Context<'_>) {
    let Context { state, decide, now, .. } = context;
    let wanted = state.policies.of(PolicyKind::Scheduler).filter(|version| decide.offers(version));
    if state.queue.ready.newest().by.as_ref() != wanted {
        let choosing = decide.choosing(wanted);
        state.queue.succeed(wanted.cloned(), choosing, *now);
    }
    if state.queue.ready.next_due().is_some_and(|due| due <= *now) {
        state.queue.rank_some(&mut **decide, *now);
    }
}

impl Context<'_> {
    /// What policies are told about an agent.
    pub(super) fn facts_of(&self, name: &AgentName) -> Option<AgentFacts> {
        self.state.facts_of(name, self.now)
    }
}
