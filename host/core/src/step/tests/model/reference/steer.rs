//! Making tasks, and deciding about them from outside.

use std::sync::Arc;

use super::{Model, Refused, Told};
use crate::*;

impl Model {
    pub(super) fn create(&mut self, caller: &Caller, new: &[NewTask]) -> Told {
        self.at_least(caller, Role::Worker)?;
        if !(1..=1_000).contains(&new.len()) {
            return Err("count");
        }
        let ids = self.ids(new);
        let is_new = |at: usize| !self.tasks.contains_key(&ids[at]) && !ids[..at].contains(&ids[at]);
        let mut parents: Vec<Vec<TaskId>> = Vec::new();
        for (at, task) in new.iter().enumerate() {
            if !is_new(at) {
                parents.push(Vec::new());
                continue;
            }
            self.is_possible(&task.spec)?;
            self.exists(task.spec.parent)?;
            let theirs = task.parents.iter().map(|parent| {
                let (id, is_new) = match *parent {
                    Parent::Existing(id) => (id, false),
                    Parent::Sibling(at) => {
                        (*ids.get(at).ok_or("no_such_sibling")?, !self.tasks.contains_key(&ids[at]))
                    }
                };
                if is_new { Ok(id) } else { self.may_wait_for(id, task.spec.on_parent_failure).map(|()| id) }
            });
            parents.push(theirs.collect::<Result<_, Refused>>()?);
        }
        // Without a cycle, so many rounds take away every task whose parents were taken away.
        let mut open: Vec<usize> = (0..new.len()).filter(|at| is_new(*at)).collect();
        for _ in 0..new.len() {
            let waits = |id: &TaskId| open.iter().any(|at| ids[*at] == *id);
            open = open.iter().copied().filter(|at| parents[*at].iter().any(waits)).collect();
        }
        if !open.is_empty() {
            return Err("cycle");
        }
        let created = (0..new.len()).map(|at| {
            let existed = self.tasks.contains_key(&ids[at]);
            if !existed {
                let mut depends_on = parents[at].clone();
                depends_on.sort();
                depends_on.dedup();
                let id = self.insert(TaskSpec { depends_on, ..new[at].spec.clone() }, author(caller));
                assert_eq!(id, ids[at]);
            }
            Created { id: ids[at], status: self.tasks[&ids[at]].state.status, existed }
        });
        Ok(Reply::Task(TaskReply::Created(created.collect())))
    }

    fn ids(&self, new: &[NewTask]) -> Vec<TaskId> {
        let mut ids: Vec<TaskId> = Vec::new();
        let mut last = self.tasks.len() as u64;
        for task in new {
            let same = |key: &Option<Key>| key.is_some() && *key == task.spec.key;
            let known = self.tasks.values().find(|task| same(&task.spec.key)).map(|task| task.id);
            let sibling = ids.iter().zip(new).find(|(_, before)| same(&before.spec.key)).map(|(id, _)| *id);
            ids.push(known.or(sibling).unwrap_or_else(|| {
                last += 1;
                TaskId(last)
            }));
        }
        ids
    }

    pub(super) fn insert(&mut self, spec: TaskSpec, creator: Option<AgentName>) -> TaskId {
        let id = TaskId(self.tasks.len() as u64 + 1);
        let state = TaskState {
            status: TaskStatus::Pending,
            incarnation: 1,
            attempt: 0,
            lost_count: 0,
            waits_until: None,
            lease: None,
            fence: None,
            cancel_requested: false,
            preferred: None,
            progress: None,
            usage: Usage::NOTHING,
            budget_from: Usage::NOTHING,
            updated_at: self.now,
        };
        let task = Task {
            id,
            spec: Arc::new(spec),
            creator,
            created_at: self.now,
            placing: Placing::default(),
            state,
        };
        self.tasks.insert(id, task);
        self.go_on(id);
        id
    }

    fn exists(&self, id: Option<TaskId>) -> Result<(), Refused> {
        if id.is_none_or(|id| self.tasks.contains_key(&id)) { Ok(()) } else { Err("no_such_task") }
    }

    fn is_possible(&self, spec: &TaskSpec) -> Result<(), Refused> {
        if spec.assigned_to.as_ref().is_some_and(|agent| !self.agents.contains_key(agent)) {
            return Err("no_such_agent");
        }
        if spec.deadline.is_some_and(|at| at <= self.now) { Err("deadline_passed") } else { Ok(()) }
    }

    fn may_wait_for(&self, parent: TaskId, on_failure: OnParentFailure) -> Result<(), Refused> {
        let status = self.tasks.get(&parent).ok_or("no_such_task")?.state.status;
        let bad = [TaskStatus::Failed, TaskStatus::Cancelled].contains(&status);
        if bad && on_failure == OnParentFailure::Cancel { Err("parent_ended") } else { Ok(()) }
    }

    /// Whether `task` waits for `other`, directly or through others that have not ended.
    fn waits_for(&self, task: TaskId, other: TaskId) -> bool {
        let open = |id: &TaskId| !self.tasks[id].state.status.is_terminal();
        task == other
            || (open(&task) && self.tasks[&task].spec.depends_on.iter().any(|id| self.waits_for(*id, other)))
    }

    fn may_steer(&self, caller: &Caller, creator: Option<&AgentName>) -> Result<(), Refused> {
        let author = author(caller);
        if author.is_some() && author.as_ref() == creator {
            return self.at_least(caller, Role::Worker);
        }
        self.at_least(caller, Role::Coordinator).map_err(|_| "not_yours")
    }

    /// A task that has not ended, if the caller may decide about it.
    fn steered(&self, caller: &Caller, id: TaskId) -> Result<Task, Refused> {
        let task = self.tasks.get(&id).ok_or("no_such_task")?;
        if task.state.status.is_terminal() {
            return Err("wrong_status");
        }
        self.may_steer(caller, task.creator.as_ref()).map(|()| task.clone())
    }

    pub(super) fn answer(&mut self, caller: &Caller, id: TaskId) -> Told {
        let task = self.steered(caller, id)?;
        if task.state.status != TaskStatus::NeedsInput {
            return Err("wrong_status");
        }
        let until = self.now.plus_millis(60_000);
        let asker =
            task.state.preferred.map(|asker| asker.agent).filter(|name| self.agents.contains_key(name));
        let state = self.state(id);
        state.lost_count = 0;
        state.preferred = asker.map(|agent| Preferred { agent, until });
        self.go_on(id);
        Ok(self.stands(id))
    }

    pub(super) fn cancel(&mut self, caller: &Caller, id: TaskId) -> Told {
        match self.steered(caller, id)?.state.status {
            TaskStatus::InProgress => self.state(id).cancel_requested = true,
            _ => self.end(id, TaskStatus::Cancelled),
        }
        Ok(self.stands(id))
    }

    pub(super) fn retry(&mut self, caller: &Caller, stored: &Task) -> Told {
        let id = stored.id;
        self.may_steer(caller, stored.creator.as_ref())?;
        let Task { spec, state, .. } = self.tasks[&id].clone();
        if !state.status.is_terminal() {
            return Err("retried");
        }
        if state.incarnation != stored.state.incarnation {
            return Err("retried");
        }
        if state.status == TaskStatus::Completed || state.status != stored.state.status {
            return Err("wrong_status");
        }
        for parent in &spec.depends_on {
            self.may_wait_for(*parent, spec.on_parent_failure)?;
            if self.waits_for(*parent, id) {
                return Err("cycle");
            }
        }
        if spec.deadline.is_some_and(|at| at <= self.now) {
            return Err("deadline_passed");
        }
        let state = self.state(id);
        (state.incarnation, state.attempt, state.lost_count) = (state.incarnation + 1, 0, 0);
        (state.waits_until, state.preferred) = (None, None);
        self.go_on(id);
        for child in self.tasks.keys().copied().collect::<Vec<_>>() {
            if self.tasks[&child].spec.depends_on.contains(&id) && waits(&self.tasks[&child]) {
                self.go_on(child);
            }
        }
        Ok(self.stands(id))
    }

    pub(super) fn patch(&mut self, caller: &Caller, id: TaskId, patch: &TaskPatch) -> Told {
        let task = self.tasks.get(&id).ok_or("no_such_task")?.clone();
        if task.state.status.is_terminal() {
            return Err("wrong_status");
        }
        let holder = task.state.lease.as_ref().map(|lease| lease.holder.clone());
        if holder.is_some() && holder == author(caller) {
            let terms = patch.verify.is_some() || patch.depends_on.is_some();
            if terms { Err("not_yours") } else { self.at_least(caller, Role::Worker) }?;
        } else {
            self.may_steer(caller, task.creator.as_ref())?;
        }
        if patch.verify.is_some() && task.state.status == TaskStatus::Verifying {
            return Err("wrong_status");
        }
        let mut spec = TaskSpec::clone(&task.spec);
        set(&mut spec.priority, &patch.priority);
        set(&mut spec.capabilities, &patch.capabilities);
        set(&mut spec.assigned_to, &patch.assigned_to);
        set(&mut spec.touches, &patch.touches);
        set(&mut spec.labels, &patch.labels);
        set(&mut spec.max_attempts, &patch.max_attempts);
        set(&mut spec.not_before, &patch.not_before);
        set(&mut spec.deadline, &patch.deadline);
        set(&mut spec.verify, &patch.verify);
        set(&mut spec.depends_on, &patch.depends_on);
        if spec.max_attempts == 0 {
            return Err("invalid");
        }
        let same_deadline = spec.deadline == task.spec.deadline;
        self.is_possible(&TaskSpec { deadline: spec.deadline.filter(|_| !same_deadline), ..spec.clone() })?;
        for parent in spec.depends_on.iter().filter(|parent| !task.spec.depends_on.contains(parent)) {
            self.may_wait_for(*parent, spec.on_parent_failure)?;
            if self.waits_for(*parent, id) {
                return Err("cycle");
            }
        }
        // What it waited for was the time asked for, and that is another now.
        if task.state.waits_until == task.spec.not_before && spec.not_before != task.spec.not_before {
            self.state(id).waits_until = None;
        }
        self.tasks.get_mut(&id).unwrap().spec = Arc::new(spec);
        if waits(&task) {
            self.go_on(id);
        }
        Ok(self.stands(id))
    }
}

fn set<T: Clone>(field: &mut T, to: &Option<T>) {
    if let Some(to) = to {
        field.clone_from(to);
    }
}

/// Whether it is free to go on, or waits for that.
fn waits(task: &Task) -> bool {
    [TaskStatus::Blocked, TaskStatus::Scheduled, TaskStatus::Pending].contains(&task.state.status)
}

fn author(caller: &Caller) -> Option<AgentName> {
    match caller {
        Caller::Agent(name) => Some(name.clone()),
        Caller::Operator | Caller::Server => None,
    }
}
