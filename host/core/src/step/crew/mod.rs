//! Agents that come and go, what they spend, and who makes them wait.

mod cool;
mod find;
mod gone;
mod heartbeat;
mod interrupt;
mod spend;
#[cfg(test)]
pub(super) mod tests;

pub(super) use cool::warm;
pub(super) use gone::{lapsed, look_after};
pub(super) use heartbeat::{hear, touch};
pub(super) use interrupt::check_not_interrupted;

use super::{Answer, Context};
use crate::crew::Member;
use crate::{AboutAgent, AgentName, CrewCommand, CrewEvent, CrewRow, EventKind, Nothing, Row};

pub(super) fn dispatch(context: &mut Context<'_>, command: CrewCommand) -> Answer {
    match command {
        CrewCommand::Heartbeat(beat) => heartbeat::heartbeat(context, *beat),
        CrewCommand::Cool { provider, until, reason } => cool::cool(context, provider, until, reason),
        CrewCommand::Spend(usage, under) => spend::spend(context, &usage, under),
        CrewCommand::Leave(note) => gone::leave(context, note),
        CrewCommand::Interrupt(agent, reason) => interrupt::interrupt(context, &agent, reason),
        CrewCommand::Find(agent) => find::find(context, agent.as_ref()),
    }
}

/// What keeps this agent from having any task now.
pub(super) fn closed(context: &Context<'_>, agent: &AgentName) -> Option<Nothing> {
    if let Some(interrupt) = interrupt::pending(context, agent) {
        return Some(Nothing::Interrupted { interrupt: interrupt.clone() });
    }
    if let Some((of, spent)) = spend::spent(context, agent) {
        return Some(Nothing::Budget { of, spent });
    }
    let cooldown = context.state.crew.cooldown_of(agent, context.now)?;
    Some(Nothing::RateLimited { provider: cooldown.provider.clone(), until_ms: cooldown.until_ms })
}

/// Nothing is left of an agent that is no more.
pub(super) fn remove(context: &mut Context<'_>, name: &AgentName) {
    if context.state.crew.remove(name).is_some() {
        context.crew_row(CrewRow::Delete(name.clone()));
    }
}

impl Context<'_> {
    fn crew_row(&mut self, row: CrewRow) {
        self.step.rows.push(Row::Crew(row));
    }

    /// Changes how an agent stands, and has that stored.
    fn put_member(&mut self, name: &AgentName, member: Member) {
        self.crew_row(CrewRow::Put(name.clone(), Box::new(member.standing.clone())));
        self.state.crew.put(name, member);
    }

    /// An event about this agent, by `by`.
    fn crew_event(&mut self, by: Option<AgentName>, name: &AgentName, event: CrewEvent) {
        self.event(by, EventKind::Crew(AboutAgent { name: name.clone(), event }));
    }
}
