//! Tasks as a person would keep them on paper: one list, looked through from the top for every question.

use std::collections::BTreeMap;

use crate::*;

/// How long a failed task waits, with the seed and the backoff that the tests use.
pub(super) const RETRY_MS: u64 = 500;
/// How long an answered task is kept for its asker.
const KEPT_MS: u64 = 60_000;

/// A task on the list.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) spec: TaskSpec,
    pub(super) creator: AgentName,
    pub(super) created_at: u64,
    pub(super) status: TaskStatus,
    pub(super) attempt: u32,
    pub(super) lost: u32,
    pub(super) incarnation: u32,
    pub(super) lease: Option<Paper>,
    pub(super) cancel: bool,
    waits_until: u64,
    preferred: Option<(AgentName, u64)>,
}

/// A lease on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paper {
    pub(super) holder: AgentName,
    pub(super) fence: Fence,
    pub(super) ttl: u64,
    pub(super) expires: u64,
    pub(super) hard_end: u64,
}

#[derive(Debug, Clone)]
pub(super) struct WaitingAgent {
    pub(super) waiter: Waiter,
    pub(super) agent: AgentName,
    pub(super) until: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) tasks: BTreeMap<TaskId, Entry>,
    pub(super) paused: bool,
    pub(super) label_limit: Option<u32>,
    pub(super) agent_limit: Option<u32>,
    pub(super) waiting: Vec<WaitingAgent>,
    /// Of each agent.
    pub(super) capabilities: BTreeMap<AgentName, Vec<Capability>>,
}

impl Entry {
    pub(super) fn new(spec: TaskSpec, creator: AgentName, now: u64) -> Self {
        Self {
            spec,
            creator,
            created_at: now,
            status: TaskStatus::Pending,
            attempt: 0,
            lost: 0,
            incarnation: 1,
            lease: None,
            cancel: false,
            waits_until: 0,
            preferred: None,
        }
    }

    fn due(&self) -> Option<u64> {
        let deadline = self.spec.deadline.map(Timestamp::as_millis);
        let earlier = |at: Option<u64>| at.into_iter().chain(deadline).min();
        match self.status {
            TaskStatus::InProgress => self.lease.as_ref().map(|lease| lease.expires),
            TaskStatus::Scheduled => earlier(Some(self.waits_until)),
            TaskStatus::Pending => earlier(self.preferred.as_ref().map(|(_, until)| *until)),
            TaskStatus::Blocked | TaskStatus::NeedsInput => deadline,
            TaskStatus::Verifying | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
                None
            }
        }
    }

    fn rank(&self) -> (i64, u64) {
        (self.created_at as i64 - i64::from(self.spec.priority) * 60_000, 0)
    }
}

impl Model {
    pub(super) fn get(&mut self, id: TaskId) -> &mut Entry {
        self.tasks.get_mut(&id).unwrap()
    }

    /// Whatever is due by now, the earliest first.
    pub(super) fn pass(&mut self, now: u64) {
        self.now = now;
        while let Some((_, id)) = self
            .tasks
            .iter()
            .filter_map(|(id, task)| Some((task.due()?, *id)))
            .filter(|(at, _)| *at <= now)
            .min()
        {
            self.come_due(id);
        }
    }

    fn come_due(&mut self, id: TaskId) {
        let now = self.now;
        let task = self.get(id);
        let late = task.spec.deadline.is_some_and(|at| at.as_millis() <= now);
        match task.status {
            TaskStatus::InProgress => self.lose(id),
            _ if late => self.end(id, TaskStatus::Failed),
            TaskStatus::Scheduled => self.place(id),
            _ => task.preferred = None,
        }
    }

    fn lose(&mut self, id: TaskId) {
        let task = self.get(id);
        if task.cancel {
            return self.end(id, TaskStatus::Cancelled);
        }
        task.lost += 1;
        if task.lost < 3 {
            return self.place(id);
        }
        task.status = TaskStatus::NeedsInput;
        task.lease = None;
    }

    /// Where it goes when nobody holds it.
    pub(super) fn place(&mut self, id: TaskId) {
        let unmet =
            self.tasks[&id].spec.depends_on.iter().any(|parent| !self.tasks[parent].status.is_terminal());
        let now = self.now;
        let task = self.get(id);
        let times = [task.waits_until, task.spec.not_before.map_or(0, Timestamp::as_millis)];
        task.waits_until = times.into_iter().filter(|at| *at > now).max().unwrap_or(0);
        task.lease = None;
        task.cancel = false;
        task.status = match (unmet, task.waits_until) {
            (true, _) => TaskStatus::Blocked,
            (false, 0) => TaskStatus::Pending,
            (false, _) => TaskStatus::Scheduled,
        };
    }

    pub(super) fn end(&mut self, id: TaskId, status: TaskStatus) {
        let task = self.get(id);
        task.status = status;
        task.lease = None;
        let children: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.status == TaskStatus::Blocked && task.spec.depends_on.contains(&id))
            .map(|(id, _)| *id)
            .collect();
        for child in children {
            let cancels = self.tasks[&child].spec.on_parent_failure == OnParentFailure::Cancel;
            if status != TaskStatus::Completed && cancels {
                self.end(child, TaskStatus::Cancelled);
            } else {
                self.place(child);
            }
        }
    }

    fn running(&self) -> impl Iterator<Item = &Entry> {
        let in_work = |task: &&Entry| matches!(task.status, TaskStatus::InProgress | TaskStatus::Verifying);
        self.tasks.values().filter(in_work)
    }

    pub(super) fn held_by(&self, agent: &AgentName) -> usize {
        let holds = |task: &&Entry| {
            task.status == TaskStatus::InProgress
                && task.lease.as_ref().is_some_and(|lease| lease.holder == *agent)
        };
        self.tasks.values().filter(holds).count()
    }

    /// Whether limits, paths and pauses let the task begin now, and its agent have one more.
    fn is_open(&self, task: &Entry, agent: &AgentName) -> bool {
        let labelled = |task: &&Entry| !task.spec.labels.is_empty();
        let label_full = !task.spec.labels.is_empty()
            && self
                .label_limit
                .is_some_and(|limit| self.running().filter(labelled).count() >= limit as usize);
        let paths_taken =
            self.running().any(|other| overlap(&other.spec.touches, &task.spec.touches).is_some());
        let agent_full = self.agent_limit.is_some_and(|limit| self.held_by(agent) >= limit as usize);
        !self.paused && !label_full && !paths_taken && !agent_full
    }

    pub(super) fn can_do(&self, task: &Entry, agent: &AgentName) -> bool {
        task.spec.capabilities.iter().all(|needed| self.capabilities[agent].contains(needed))
            && task.spec.assigned_to.as_ref().is_none_or(|assignee| assignee == agent)
    }

    /// What the agent may be given next: first the one it should be given, then the oldest.
    pub(super) fn next_for(&self, agent: &AgentName) -> Vec<TaskId> {
        let fits = |task: &Entry| {
            let kept_for_another = task.spec.assigned_to.is_none()
                && task.preferred.as_ref().is_some_and(|(keeper, _)| keeper != agent);
            task.status == TaskStatus::Pending
                && !kept_for_another
                && self.can_do(task, agent)
                && self.is_open(task, agent)
        };
        let mut fitting: Vec<_> =
            self.tasks.iter().filter(|(_, task)| fits(task)).map(|(id, task)| (task.rank(), *id)).collect();
        fitting.sort_unstable();
        fitting.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn may_have(&self, id: TaskId, agent: &AgentName) -> bool {
        self.tasks[&id].status == TaskStatus::Pending && self.is_open(&self.tasks[&id], agent)
    }

    pub(super) fn grant(&mut self, id: TaskId, agent: &AgentName, fence: Fence, ttl: u64, max: u64) {
        let now = self.now;
        let task = self.get(id);
        task.status = TaskStatus::InProgress;
        task.preferred = None;
        let (expires, hard_end) = ((now + ttl).min(now + max), now + max);
        task.lease = Some(Paper { holder: agent.clone(), fence, ttl, expires, hard_end });
    }

    pub(super) fn renew(&mut self, id: TaskId) {
        let now = self.now;
        if let Some(lease) = &mut self.get(id).lease {
            lease.expires = (now + lease.ttl).max(lease.expires).min(lease.hard_end);
        }
    }

    pub(super) fn holds(&self, id: TaskId, agent: &AgentName, fence: Fence) -> bool {
        self.tasks.get(&id).is_some_and(|task| {
            let lease = task.lease.as_ref();
            task.status == TaskStatus::InProgress
                && lease.is_some_and(|lease| lease.holder == *agent && lease.fence == fence)
        })
    }

    pub(super) fn fail(&mut self, id: TaskId) {
        let now = self.now;
        let task = self.get(id);
        if task.cancel {
            return self.end(id, TaskStatus::Cancelled);
        }
        task.attempt += 1;
        if task.attempt >= task.spec.max_attempts {
            return self.end(id, TaskStatus::Failed);
        }
        task.waits_until = now + RETRY_MS;
        self.place(id);
    }

    /// Its holder gives it back: to whoever comes next, or to nobody until an answer comes.
    pub(super) fn give_back(&mut self, id: TaskId, asker: Option<AgentName>) {
        let task = self.get(id);
        match asker {
            _ if task.cancel => self.end(id, TaskStatus::Cancelled),
            None => self.place(id),
            Some(agent) => {
                task.status = TaskStatus::NeedsInput;
                task.lease = None;
                task.preferred = Some((agent, 0));
            }
        }
    }

    pub(super) fn answer(&mut self, id: TaskId) {
        let until = self.now + KEPT_MS;
        let task = self.get(id);
        task.lost = 0;
        task.preferred = task.preferred.take().map(|(agent, _)| (agent, until));
        self.place(id);
    }

    pub(super) fn retry(&mut self, id: TaskId) {
        let task = self.get(id);
        (task.attempt, task.lost, task.waits_until, task.preferred) = (0, 0, 0, None);
        task.incarnation += 1;
        self.place(id);
    }

    pub(super) fn checked(&mut self, id: TaskId, passed: bool) {
        let now = self.now;
        let task = self.get(id);
        match &mut task.lease {
            _ if passed => self.end(id, TaskStatus::Completed),
            Some(lease) if lease.hard_end > now => {
                lease.expires = (now + lease.ttl).min(lease.hard_end);
                task.status = TaskStatus::InProgress;
            }
            Some(_) | None => self.place(id),
        }
    }

    /// Nobody could renew: every lease has its whole time again.
    pub(super) fn restart(&mut self) {
        let now = self.now;
        for lease in self.tasks.values_mut().filter_map(|task| task.lease.as_mut()) {
            lease.expires = lease.expires.max(now + lease.ttl);
            lease.hard_end = lease.hard_end.max(lease.expires);
        }
    }
}
