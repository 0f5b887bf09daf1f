//! The queue as a whole.

use std::collections::BTreeMap;

use super::{Answer, Context};
use crate::{EventKind, QueueCommand, QueueEvent, QueueFacts, QueueRules, Reply, Role, Row, Scope};

pub(super) fn dispatch(context: &mut Context<'_>, command: QueueCommand) -> Answer {
    match command {
        QueueCommand::Find => find(context),
        QueueCommand::Pause(scope) => {
            set(context, QueueEvent::Paused(scope.clone()), |rules| match scope.label {
                Some(label) => drop(rules.paused_labels.insert(label)),
                None => rules.paused = true,
            })
        }
        QueueCommand::Resume(scope) => {
            set(context, QueueEvent::Resumed(scope.clone()), |rules| match scope {
                Scope { label: Some(label) } => drop(rules.paused_labels.remove(&label)),
                Scope { label: None } => rules.paused = false,
            })
        }
        QueueCommand::SetLimits(limits) => {
            set(context, QueueEvent::LimitsSet(limits.clone()), |rules| rules.limits = *limits)
        }
    }
}

fn set(context: &mut Context<'_>, event: QueueEvent, change: impl FnOnce(&mut QueueRules)) -> Answer {
    context.at_least(Role::Coordinator)?;
    let mut rules = context.state.queue.rules.clone();
    change(&mut rules);
    context.step.rows.push(Row::SetQueueRules(Box::new(rules.clone())));
    context.state.queue.set_rules(rules);
    let author = context.author();
    context.event(author, EventKind::Queue(event));
    Ok(Reply::Done)
}

fn find(context: &Context<'_>) -> Answer {
    let queue = &context.state.queue;
    let mut counts = BTreeMap::new();
    for task in queue.tasks() {
        *counts.entry(task.state.status).or_default() += 1;
    }
    let waiting_claims = u64::try_from(queue.waiting.len()).unwrap_or(u64::MAX);
    Ok(Reply::Queue(Box::new(QueueFacts { rules: queue.rules.clone(), counts, waiting_claims })))
}
