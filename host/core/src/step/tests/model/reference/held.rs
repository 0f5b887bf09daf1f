//! What becomes of tasks: held, ended, and when their time comes.

use super::claims::in_bounds;
use super::{Model, Refused, Told, not_an_agent};
use crate::*;

impl Model {
    /// The task, if this caller holds it under this fence.
    fn held(&self, caller: &Caller, hold: Hold) -> Result<Task, Refused> {
        let agent = self.agent(caller, Role::Worker)?;
        let task = self.held_by_somebody(hold)?;
        let holder = task.state.lease.as_ref().map(|lease| &lease.holder);
        if holder == Some(agent) { Ok(task) } else { Err("stale_lease") }
    }

    fn held_by_somebody(&self, hold: Hold) -> Result<Task, Refused> {
        let task = self.tasks.get(&hold.task).ok_or("no_such_task")?;
        let fence = task.state.lease.as_ref().map(|lease| lease.fence);
        let held = task.state.status == TaskStatus::InProgress && fence == Some(hold.fence);
        if held { Ok(task.clone()) } else { Err("stale_lease") }
    }

    pub(super) fn state(&mut self, id: TaskId) -> &mut TaskState {
        &mut self.tasks.get_mut(&id).unwrap().state
    }

    pub(super) fn stands(&self, id: TaskId) -> Reply {
        Reply::Task(TaskReply::Stands(Stands { id, status: self.tasks[&id].state.status }))
    }

    pub(super) fn renew(&mut self, caller: &Caller, hold: Hold, progress: Option<&Progress>) -> Told {
        self.held(caller, hold)?;
        let now = self.now;
        let state = self.state(hold.task);
        if let Some(progress) = progress {
            state.progress = Some(progress.clone());
        }
        let cancel_requested = state.cancel_requested;
        let lease = state.lease.as_mut().unwrap();
        lease.progressed_at = now;
        lease.expires_at = later(lease, now);
        Ok(Reply::Task(TaskReply::Held(Held { hold, expires_at: lease.expires_at, cancel_requested })))
    }

    pub(super) fn touch(&mut self, caller: &Caller, agent: &AgentName, session: Option<&Session>) -> Told {
        not_an_agent(caller)?;
        let now = self.now;
        for id in self.held_by(agent) {
            let lease = self.state(id).lease.as_mut().unwrap();
            let spoke_lately = now.since(lease.progressed_at).as_secs_f64() < 1_800.0;
            if lease.session.as_ref().map_or(spoke_lately, |claimed_by| session == Some(claimed_by)) {
                lease.expires_at = later(lease, now);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn begin_leases_anew(&mut self) {
        let now = self.now;
        for lease in self.tasks.values_mut().filter_map(|task| task.state.lease.as_mut()) {
            lease.expires_at = lease.expires_at.max(now.plus_millis(lease.ttl_ms));
            lease.hard_end = lease.hard_end.max(lease.expires_at);
            lease.progressed_at = now;
        }
    }

    pub(super) fn complete(
        &mut self,
        waiter: Waiter,
        caller: &Caller,
        completion: &Completion,
        keyed: Option<Keyed>,
    ) -> Result<Option<Reply>, Refused> {
        let Completion { hold, next, .. } = completion;
        let task = self.held(caller, *hold)?;
        next.as_ref().map_or(Ok(()), in_bounds)?;
        match &task.spec.verify {
            None => self.end(task.id, TaskStatus::Completed),
            Some(verify) => {
                let state = self.state(task.id);
                state.status = TaskStatus::Verifying;
                state.cancel_requested = false;
                if let Verify::Agent(capability) = verify {
                    let spec = TaskSpec {
                        priority: task.spec.priority,
                        capabilities: [capability.clone()].into(),
                        max_attempts: 1,
                        parent: Some(task.id),
                        checks: Some(*hold),
                        ..TaskSpec::default()
                    };
                    self.insert(spec, task.creator.clone());
                }
            }
        }
        let stands = Stands { id: task.id, status: self.tasks[&task.id].state.status };
        match next {
            None => Ok(Some(Reply::Task(TaskReply::Stands(stands)))),
            Some(next) => self.claim(waiter, caller, next, Some(stands), keyed),
        }
    }

    pub(super) fn fail(&mut self, caller: &Caller, failure: &Failure) -> Told {
        let task = self.held(caller, failure.hold)?;
        let attempt = task.state.attempt + 1;
        let again = attempt < task.spec.max_attempts && failure.again == Again::IfAttemptsAreLeft;
        if task.state.cancel_requested {
            self.end(task.id, TaskStatus::Cancelled);
            return Ok(self.stands(task.id));
        }
        self.state(task.id).attempt = attempt;
        if again {
            let Backoff { base_ms, max_ms } = task.spec.backoff;
            let pause = max_ms.min(base_ms * 2_u64.pow(attempt - 1));
            let pause = pause / 2 + self.seed % (pause - pause / 2 + 1);
            self.state(task.id).waits_until = Some(self.now.plus_millis(pause));
            self.go_on(task.id);
        } else {
            self.end(task.id, TaskStatus::Failed);
        }
        Ok(self.stands(task.id))
    }

    pub(super) fn release(&mut self, caller: &Caller, hold: Hold) -> Told {
        if self.at_least(caller, Role::Coordinator).is_err() {
            self.held(caller, hold)?;
        }
        self.held_by_somebody(hold)?;
        self.give_back(hold.task);
        Ok(self.stands(hold.task))
    }

    pub(super) fn take_back(&mut self, caller: &Caller, agent: &AgentName, holds: &[Hold]) -> Told {
        not_an_agent(caller)?;
        for hold in holds {
            if self.held_by_somebody(*hold).is_ok() && self.held_by(agent).contains(&hold.task) {
                self.give_back(hold.task);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn give_back(&mut self, id: TaskId) {
        if self.state(id).cancel_requested { self.end(id, TaskStatus::Cancelled) } else { self.go_on(id) }
    }

    pub(super) fn ask_about(&mut self, caller: &Caller, hold: Hold) -> Told {
        let task = self.held(caller, hold)?;
        if task.state.cancel_requested {
            self.end(task.id, TaskStatus::Cancelled);
        } else {
            let preferred = task.state.lease.map(|lease| Preferred { agent: lease.holder, until: self.now });
            self.stop(task.id);
            self.state(task.id).preferred = preferred;
        }
        Ok(self.stands(task.id))
    }

    /// Until somebody decides.
    fn stop(&mut self, id: TaskId) {
        let state = self.state(id);
        (state.status, state.lease, state.progress) = (TaskStatus::NeedsInput, None, None);
    }

    /// What a check says of the work that was submitted under this fence.
    pub(super) fn judge(&mut self, work: Hold, passed: bool) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(&work.task) else { return };
        let state = &mut task.state;
        let Some(lease) = state.lease.as_mut().filter(|lease| lease.fence == work.fence) else { return };
        if state.status != TaskStatus::Verifying {
            return;
        }
        if passed {
            self.end(work.task, TaskStatus::Completed);
        } else if lease.hard_end > now && self.agents.contains_key(&lease.holder) {
            lease.expires_at = now.plus_millis(lease.ttl_ms).min(lease.hard_end);
            lease.progressed_at = now;
            state.status = TaskStatus::InProgress;
        } else {
            self.go_on(work.task);
        }
    }

    /// Ends a task, and what that means for others.
    pub(super) fn end(&mut self, id: TaskId, status: TaskStatus) {
        let state = self.state(id);
        (state.status, state.lease, state.waits_until) = (status, None, None);
        if let Some(work) = self.tasks[&id].spec.checks {
            self.judge(work, status == TaskStatus::Completed);
        }
        for child in self.tasks.keys().copied().collect::<Vec<_>>() {
            let task = &self.tasks[&child];
            if task.state.status == TaskStatus::Blocked && task.spec.depends_on.contains(&id) {
                self.go_on(child);
            }
        }
    }

    /// Puts a task that nobody holds wherever what it waits for puts it.
    pub(super) fn go_on(&mut self, id: TaskId) {
        let task = &self.tasks[&id];
        // A sibling later in the list comes to be in a moment.
        let status = |parent| self.tasks.get(parent).map_or(TaskStatus::Pending, |task| task.state.status);
        let mut parents = task.spec.depends_on.iter().map(status);
        let bad = |status| [TaskStatus::Failed, TaskStatus::Cancelled].contains(&status);
        if task.spec.on_parent_failure == OnParentFailure::Cancel && parents.clone().any(bad) {
            return self.end(id, TaskStatus::Cancelled);
        }
        let now = self.now;
        let waits_until =
            task.state.waits_until.into_iter().chain(task.spec.not_before).filter(|at| *at > now).max();
        let status = if parents.any(|status| !status.is_terminal()) {
            TaskStatus::Blocked
        } else if waits_until.is_some() {
            TaskStatus::Scheduled
        } else {
            TaskStatus::Pending
        };
        let state = self.state(id);
        (state.status, state.waits_until) = (status, waits_until);
        (state.lease, state.progress, state.cancel_requested) = (None, None, false);
    }

    /// Decides what is due, earliest first.
    pub(super) fn let_time_pass(&mut self) {
        let now = self.now;
        while let Some((_, id)) = self
            .tasks
            .values()
            .filter_map(|task| Some((due(task)?, task.id)))
            .filter(|(at, _)| *at <= now)
            .min()
        {
            self.its_time_came(id);
        }
        self.waiting.sort_by_key(|waits| (waits.request.wait_until, waits.place));
        while self.waiting.first().is_some_and(|waits| waits.request.wait_until <= Some(now)) {
            let waits = self.waiting.remove(0);
            self.give_up(waits);
        }
    }

    fn its_time_came(&mut self, id: TaskId) {
        let Task { spec, state, .. } = self.tasks[&id].clone();
        let lost_count = state.lost_count + 1;
        match state.status {
            TaskStatus::InProgress => {
                self.state(id).lost_count = lost_count;
                match lost_count {
                    _ if state.cancel_requested => {
                        self.state(id).lost_count -= 1;
                        self.end(id, TaskStatus::Cancelled);
                    }
                    3.. => self.stop(id),
                    0..3 => self.go_on(id),
                }
            }
            _ if spec.deadline.is_some_and(|at| at <= self.now) => self.end(id, TaskStatus::Failed),
            TaskStatus::Pending => self.state(id).preferred = None,
            _ => self.go_on(id),
        }
    }
}

fn later(lease: &Lease, now: Timestamp) -> Timestamp {
    now.plus_millis(lease.ttl_ms).max(lease.expires_at).min(lease.hard_end)
}

/// When something has to be decided about a task.
fn due(task: &Task) -> Option<Timestamp> {
    let TaskState { status, lease, waits_until, preferred, .. } = &task.state;
    let expires = lease.as_ref().map(|lease| lease.expires_at);
    let kept = preferred.as_ref().map(|kept| kept.until);
    let times = match status {
        TaskStatus::InProgress => [expires, None],
        TaskStatus::Scheduled => [*waits_until, task.spec.deadline],
        TaskStatus::Pending => [kept, task.spec.deadline],
        TaskStatus::Blocked | TaskStatus::NeedsInput => [task.spec.deadline, None],
        TaskStatus::Verifying | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
            [None, None]
        }
    };
    times.into_iter().flatten().min()
}
