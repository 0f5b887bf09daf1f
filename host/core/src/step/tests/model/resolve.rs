//! What an action is when it comes: whom and what it is about depends on what there is.

use proptest::sample::Index;

use super::history::{Action, Blueprint, By, Change, Claim, FencePick, ParentPick, WantPick, What, Work};
use super::world::{World, add, pick};
use super::{name, team};
use crate::*;

impl World {
    /// What is asked, and by whom who may.
    pub(super) fn resolve(&self, action: &Action) -> Option<(Caller, Command)> {
        let (By::Entitled(who) | By::Anybody(who)) = &action.by;
        let worker = || {
            let workers: Vec<&Agent> =
                self.model.agents.values().filter(|agent| agent.role == Role::Worker).collect();
            pick(who, &workers).map(|agent| Caller::Agent(agent.name.clone())).unwrap_or(Caller::Operator)
        };
        let coordinator = || Caller::Agent(name("cora"));
        let server = |command| Some((Caller::Server, Command::Task(command)));
        Some(match &action.what {
            What::Create(blueprints) => {
                let len = blueprints.len();
                let new = blueprints
                    .iter()
                    .enumerate()
                    .map(|(at, blueprint)| self.new_task(at, len, blueprint))
                    .collect();
                (worker(), Command::Task(TaskCommand::Create(new)))
            }
            What::Claim(claim) => (worker(), Command::Task(TaskCommand::Claim(self.claim(claim)))),
            What::Work(task, fence, work) => {
                let hold = self.pick_hold(task, *fence, &[TaskStatus::InProgress])?;
                let lease = self.model.tasks.get(&hold.task).and_then(|task| task.state.lease.clone());
                let holder = lease.map_or_else(worker, |lease| Caller::Agent(lease.holder));
                (holder, Command::Task(self.work(hold, work)))
            }
            What::Answer(task) => {
                let task = *pick(task, &self.standing(&[TaskStatus::NeedsInput]))?;
                (self.creator(task), Command::Task(TaskCommand::Answer(task.id, "do".into())))
            }
            What::Cancel(task) => {
                let task = *pick(task, &self.live())?;
                (self.creator(task), Command::Task(TaskCommand::Cancel(task.id, "no".into())))
            }
            What::Patch(task, change) => {
                let task = *pick(task, &self.live())?;
                (
                    self.creator(task),
                    Command::Task(TaskCommand::Patch(task.id, Box::new(self.as_patch(change)))),
                )
            }
            What::Meddle(task, how) => {
                let id = TaskId(task.index(self.model.tasks.len() + 2) as u64);
                let command = match how {
                    0 => TaskCommand::Answer(id, "do".into()),
                    1 => TaskCommand::Cancel(id, "no".into()),
                    _ => TaskCommand::Patch(id, Box::default()),
                };
                (coordinator(), Command::Task(command))
            }
            What::Retry { task, outdated } => {
                let bad = [TaskStatus::Failed, TaskStatus::Cancelled];
                let now = pick(task, &self.standing(&bad)).map(|task| self.store.tasks[&task.id].clone());
                let stored = if *outdated { pick(task, &self.read).cloned() } else { now }?;
                (self.creator(&stored.task), Command::Task(TaskCommand::Retry(Box::new(stored))))
            }
            What::Checked { task, fence, passed } => {
                let hold = self.pick_hold(task, *fence, &[TaskStatus::Verifying])?;
                return server(TaskCommand::Checked(Verdict { hold, passed: *passed, output: "ran".into() }));
            }
            What::TakeBack(task, fence) => {
                let hold = self.pick_hold(task, *fence, &[TaskStatus::InProgress])?;
                let lease = self.model.tasks.get(&hold.task).and_then(|task| task.state.lease.clone());
                return server(TaskCommand::TakeBack(
                    lease.map_or(name("ada"), |lease| lease.holder),
                    vec![hold],
                ));
            }
            What::Touch(agent, session) => {
                (Caller::Server, Command::Touch(pick(agent, &team())?.name.clone(), session.map(a_session)))
            }
            What::Leave(waiter) => {
                (Caller::Server, Command::Leave(pick(waiter, &self.model.waiting)?.waiter))
            }
            What::Pause(label) => {
                (coordinator(), Command::Queue(QueueCommand::Pause(Scope { label: label.clone() })))
            }
            What::Resume(label) => {
                (coordinator(), Command::Queue(QueueCommand::Resume(Scope { label: label.clone() })))
            }
            What::SetLimits(limits) => {
                (coordinator(), Command::Queue(QueueCommand::SetLimits(Box::new(limits.clone()))))
            }
            What::AddAgent(agent) => (Caller::Operator, add(pick(agent, &team())?.clone())),
            What::RemoveAgent(agent) => {
                (Caller::Agent(name("ada")), Command::RemoveAgent(pick(agent, &team())?.name.clone()))
            }
            What::Tick => (Caller::Server, Command::Tick),
            What::Forgive => (Caller::Server, Command::Forgive),
            What::Restart | What::Repeat { .. } => return None,
        })
    }

    fn creator(&self, task: &Task) -> Caller {
        let creator = task.creator.clone().filter(|name| self.model.agents.contains_key(name));
        creator.map_or(Caller::Operator, Caller::Agent)
    }

    fn standing(&self, at: &[TaskStatus]) -> Vec<&Task> {
        self.model.tasks.values().filter(|task| at.contains(&task.state.status)).collect()
    }

    fn live(&self) -> Vec<&Task> {
        self.model.tasks.values().filter(|task| !task.state.status.is_terminal()).collect()
    }

    fn pick_hold(&self, task: &Index, fence: FencePick, at: &[TaskStatus]) -> Option<Hold> {
        let task = match fence {
            FencePick::InForce | FencePick::Later => *pick(task, &self.standing(at))?,
            FencePick::Earlier(_) => *pick(task, &self.model.tasks.values().collect::<Vec<_>>())?,
        };
        let in_force = task.state.fence.unwrap_or(Fence(1));
        let fence = match fence {
            FencePick::InForce => in_force,
            FencePick::Earlier(by) => Fence(in_force.0.saturating_sub(by)),
            FencePick::Later => Fence(in_force.0 + 1),
        };
        Some(Hold { task: task.id, fence })
    }

    fn work(&self, hold: Hold, work: &Work) -> TaskCommand {
        match work {
            Work::Renew => TaskCommand::Renew(hold),
            Work::Progress(step) => TaskCommand::Progress(
                hold,
                Progress { current_step: *step, total_steps: 9, message: "on".into() },
            ),
            Work::Complete(next) => {
                let next = next.as_ref().map(|claim| self.claim(claim));
                TaskCommand::Complete(Completion { hold, result: "done".into(), next })
            }
            Work::Fail(again) => TaskCommand::Fail(Failure { hold, reason: "broken".into(), again: *again }),
            Work::Release => TaskCommand::Release(hold, "half of it".into()),
            Work::Ask => TaskCommand::Ask(hold, "which".into()),
        }
    }

    fn claim(&self, claim: &Claim) -> ClaimRequest {
        let any = |index: &Index| TaskId(index.index(self.model.tasks.len() + 2) as u64);
        let want = match &claim.want {
            WantPick::Next(count) => Want::Next(*count),
            WantPick::Live(index) => Want::Task(pick(index, &self.live()).map_or(TaskId(1), |task| task.id)),
            WantPick::Any(index) => Want::Task(any(index)),
        };
        ClaimRequest {
            want,
            ttl_ms: claim.ttl_ms,
            max_lease_ms: claim.max_lease_ms,
            session: claim.session.map(a_session),
            wait_until: claim.wait_ms.map(|ms| self.now.plus_millis(ms)),
        }
    }

    fn new_task(&self, at: usize, len: usize, blueprint: &Blueprint) -> NewTask {
        let after = |ms: Option<u64>| ms.map(|ms| self.now.plus_millis(ms));
        let any = |index: &Index| TaskId(index.index(self.model.tasks.len() + 2) as u64);
        let parents = blueprint.parents.iter().filter_map(|parent| match parent {
            ParentPick::Live(index) => pick(index, &self.live()).map(|task| Parent::Existing(task.id)),
            ParentPick::Any(index) => Some(Parent::Existing(any(index))),
            ParentPick::Sibling(0) => Some(Parent::Sibling(len)),
            ParentPick::Sibling(pick @ 1..4) => Some(Parent::Sibling(pick % len)),
            ParentPick::Sibling(pick) => (at > 0).then(|| Parent::Sibling(pick % at)),
        });
        let spec = TaskSpec {
            assigned_to: blueprint.assigned_to.map(|agent| team()[agent.index(team().len())].name.clone()),
            not_before: after(blueprint.not_before_ms),
            deadline: after(blueprint.deadline_ms),
            parent: blueprint.part_of.as_ref().map(any),
            ..blueprint.spec.clone()
        };
        let body = TaskBody { title: "title".into(), description: "text".into() };
        NewTask { body, spec, parents: parents.collect() }
    }

    fn as_patch(&self, change: &Change) -> TaskPatch {
        let after = |ms: &Option<u64>| ms.map(|ms| self.now.plus_millis(ms));
        let agent = |index: &Index| team()[index.index(team().len())].name.clone();
        let mut patch = TaskPatch::default();
        match change {
            Change::Priority(to) => patch.priority = (*to).try_into().ok(),
            Change::Capabilities(to) => patch.capabilities = Some(to.clone()),
            Change::AssignedTo(to) => patch.assigned_to = Some(to.as_ref().map(agent)),
            Change::Touches(to) => patch.touches = Some(to.clone()),
            Change::Labels(to) => patch.labels = Some(to.clone()),
            Change::Attempts(to) => patch.max_attempts = Some(*to),
            Change::NotBefore(to) => patch.not_before = Some(after(to)),
            Change::Deadline(to) => patch.deadline = Some(after(to)),
            Change::Verify(to) => patch.verify = Some(to.clone()),
            Change::DependsOn(to) => {
                let parents = to.iter().filter_map(|parent| match parent {
                    ParentPick::Live(index) => Some(pick(index, &self.live())?.id),
                    ParentPick::Any(index) => Some(TaskId(index.index(self.model.tasks.len() + 2) as u64)),
                    ParentPick::Sibling(_) => None,
                });
                let mut parents: Vec<TaskId> = parents.collect();
                parents.sort();
                parents.dedup();
                patch.depends_on = Some(parents);
            }
        }
        patch
    }
}

fn a_session(number: u8) -> Session {
    format!("session-{number}").parse().unwrap()
}
