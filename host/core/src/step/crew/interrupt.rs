//! Agents that are to stop.

use std::sync::Arc;

use super::super::{Answer, Context, Effect, task};
use crate::{AgentName, CrewEvent, CrewRefusal, Interrupt, Nothing, Refusal, Reply, Role};

/// Ends what the agent runs, and keeps tasks and runs from it until it has acknowledged that. What it holds stays its.
pub(super) fn interrupt(context: &mut Context<'_>, name: &AgentName, reason: Arc<str>) -> Answer {
    context.at_least(Role::Coordinator)?;
    if !context.state.agents.contains_key(name) {
        return Err(Refusal::NoSuchAgent(name.clone()));
    }
    let by = context.author();
    context.crew_event(by.clone(), name, CrewEvent::Interrupted { reason: Arc::clone(&reason) });
    let interrupt = Interrupt { seq: context.state.last_event, by, at_ms: context.now, reason };
    let mut member = context.state.crew.member(name, context.now);
    member.standing.interrupt = Some(interrupt.clone());
    context.put_member(name, member);
    let said = refusal(&interrupt).to_string();
    let runs = context.state.runs.values().filter(|run| run.agent == *name);
    context.step.effects.extend(runs.map(|run| Effect::KillRun { run: run.id, reason: said.clone() }));
    task::answer_waiting(context, name, &Nothing::Interrupted { interrupt });
    Ok(Reply::Done)
}

/// The wish that this agent stops, if it has not acknowledged it.
pub(super) fn pending<'a>(context: &'a Context<'_>, name: &AgentName) -> Option<&'a Interrupt> {
    context.state.crew.get(name)?.standing.interrupt.as_ref()
}

/// Passes an agent that is not to stop.
pub(in super::super) fn check_not_interrupted(
    context: &Context<'_>,
    name: &AgentName,
) -> Result<(), CrewRefusal> {
    pending(context, name).map_or(Ok(()), |interrupt| Err(refusal(interrupt)))
}

fn refusal(interrupt: &Interrupt) -> CrewRefusal {
    let Interrupt { seq, by, at_ms: _, reason } = interrupt;
    CrewRefusal::Interrupted { seq: *seq, by: by.clone(), reason: Arc::clone(reason) }
}
