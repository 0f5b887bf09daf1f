//! What agents use, and how much they may.

use super::super::{Answer, Context, run, task};
use crate::{
    AgentName, Counted, CrewEvent, CrewReply, CrewRow, Hold, Reply, Role, Spender, TaskId, Under, Usage,
};

/// Counts it for the caller, for the project, and for the task if the caller holds it. Who reports what it used has
/// used it: none of it is refused, save that it counts for no task that is somebody else's.
pub(super) fn spend(context: &mut Context<'_>, usage: &Usage, under: Under) -> Answer {
    let name = context.agent(Role::Worker)?.name.clone();
    Ok(Reply::Crew(CrewReply::Counted(count(context, &name, usage, under))))
}

pub(super) fn count(context: &mut Context<'_>, name: &AgentName, usage: &Usage, under: Under) -> Counted {
    let hold = match under {
        Under::Lease(hold) => task::held(context, hold).is_ok().then_some(hold),
        Under::TheOnlyLease => run::only_lease(context, name),
        Under::NoLease => None,
    };
    let before = spent(context, name).map(|(of, _)| of);

    let mut member = context.state.crew.member(name, context.now);
    member.standing.usage = member.standing.usage.plus(usage);
    let agent = member.standing.usage;
    context.put_member(name, member);
    let project = context.state.crew.usage.plus(usage);
    context.state.crew.usage = project;
    context.crew_row(CrewRow::SetUsage(project));

    let task = hold.and_then(|hold| spend_for_task(context, hold, usage));
    let task_spent = hold.is_some_and(|hold| end_if_spent(context, hold));
    let now = spent(context, name);
    if let Some((of, spent)) = now.clone().filter(|(of, _)| before != Some(*of)) {
        context.crew_event(Some(name.clone()), name, CrewEvent::BudgetSpent { of, spent });
    }
    Counted { agent, project, task, task_spent, spent: now.map(|(of, _)| of) }
}

fn spend_for_task(context: &mut Context<'_>, hold: Hold, usage: &Usage) -> Option<(TaskId, Usage)> {
    context.change(hold.task, |task| task.state.usage = task.state.usage.plus(usage));
    Some((hold.task, context.state.queue.get(hold.task)?.state.usage))
}

fn end_if_spent(context: &mut Context<'_>, hold: Hold) -> bool {
    let Some(spent) = context.state.queue.get(hold.task).and_then(crate::Task::spent) else { return false };
    task::budget_spent(context, hold, &spent);
    true
}

/// A budget that this agent draws on and that is spent: the project's, or its own.
pub(super) fn spent(context: &Context<'_>, name: &AgentName) -> Option<(Spender, String)> {
    let (rules, crew) = (&context.state.queue.rules, &context.state.crew);
    let project = rules.limits.budget.as_ref().and_then(|budget| budget.spent_by(&crew.usage));
    if let Some(spent) = project {
        return Some((Spender::Project, spent));
    }
    let used = crew.get(name).map(|member| member.standing.usage).unwrap_or_default();
    let spent = rules.budget_of(name)?.spent_by(&used)?;
    Some((Spender::Agent, spent))
}
