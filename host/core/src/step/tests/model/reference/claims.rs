//! Who may have what, and when.

use super::{Model, Refused, Told, Waits};
use crate::*;

impl Model {
    pub(super) fn claim(
        &mut self,
        waiter: Waiter,
        caller: &Caller,
        request: &ClaimRequest,
        ended: Option<Stands>,
        keyed: Option<Keyed>,
    ) -> Result<Option<Reply>, Refused> {
        let agent = self.agent(caller, Role::Worker)?.clone();
        in_bounds(request)?;
        if let Err(refused) = self.attainable(&agent, request) {
            let nothing = Some(Nothing::Blocked);
            return ended.map(|_| Some(claimed(ended, Vec::new(), nothing))).ok_or(refused);
        }
        let (grants, nothing) = self.hand_out(waiter, &agent, request);
        if grants.is_empty() && request.wait_until.is_some_and(|until| until > self.now) {
            if let (Some(_), Some(keyed)) = (ended, keyed.clone()) {
                self.keep(agent.clone(), keyed, claimed(ended, Vec::new(), None));
            }
            self.waiting.push(Waits { place: waiter, waiter, agent, request: request.clone(), ended, keyed });
            return Ok(None);
        }
        Ok(Some(claimed(ended, grants, nothing)))
    }

    /// Whether a task that is asked for by its id can be had, now or later.
    fn attainable(&self, agent: &AgentName, request: &ClaimRequest) -> Result<(), Refused> {
        let Want::Task(id) = request.want else { return Ok(()) };
        let task = self.tasks.get(&id).ok_or("no_such_task")?;
        let waits = request.wait_until.is_some_and(|until| until > self.now);
        match task.state.status {
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => Err("wrong_status"),
            TaskStatus::InProgress | TaskStatus::Verifying => Err("already_claimed"),
            _ if !self.suits(agent, task) => Err("not_for_you"),
            TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::NeedsInput if !waits => {
                Err("wrong_status")
            }
            TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::NeedsInput | TaskStatus::Pending => {
                Ok(())
            }
        }
    }

    fn suits(&self, agent: &AgentName, task: &Task) -> bool {
        let able =
            |agent: &Agent| task.spec.capabilities.iter().all(|need| agent.capabilities.contains(need));
        task.spec.assigned_to.as_ref().is_none_or(|only| only == agent)
            && self.agents.get(agent).is_some_and(able)
    }

    /// What the agent may have now.
    pub(in super::super) fn eligible(&self, agent: &AgentName, want: Want) -> Vec<TaskId> {
        let mut eligible = self.ready(agent, want);
        eligible.retain(|id| {
            let touches = &self.tasks[id].spec.touches;
            self.running().all(|other| overlap(touches, &other.spec.touches).is_none())
        });
        eligible
    }

    /// What the agent might have if no paths were in the way.
    fn ready(&self, agent: &AgentName, want: Want) -> Vec<TaskId> {
        if self.closed(agent).is_some() {
            return Vec::new();
        }
        let is_for = |task: &Task| match want {
            Want::Task(id) => task.id == id,
            Want::Next(_) if task.spec.assigned_to.is_some() => true,
            Want::Next(_) => task.state.preferred.as_ref().is_none_or(|kept| kept.agent == *agent),
        };
        let may = |task: &&Task| {
            task.state.status == TaskStatus::Pending
                && is_for(task)
                && self.suits(agent, task)
                && task.spec.labels.iter().all(|label| self.is_open(label))
        };
        self.tasks.values().filter(may).map(|task| task.id).collect()
    }

    fn closed(&self, agent: &AgentName) -> Option<Nothing> {
        if self.rules.paused {
            return Some(Nothing::Paused);
        }
        let limit = self.rules.limits.agents.get(agent).copied().or(self.rules.limits.per_agent)?;
        (self.held_by(agent).len() >= limit as usize).then_some(Nothing::Limit { limit })
    }

    fn is_open(&self, label: &Label) -> bool {
        let LabelLimit { concurrent, starts_per_second } =
            self.rules.limits.labels.get(label).copied().unwrap_or_default();
        let running = self.running().filter(|task| task.spec.labels.contains(label)).count();
        let started = self
            .starts
            .iter()
            .filter(|(of, at)| of == label && at.as_millis() + 1_000 > self.now.as_millis());
        !self.rules.paused_labels.contains(label)
            && concurrent.is_none_or(|most| running < most as usize)
            && starts_per_second.is_none_or(|most| started.count() < most as usize)
    }

    fn running(&self) -> impl Iterator<Item = &Task> {
        self.tasks
            .values()
            .filter(|task| [TaskStatus::InProgress, TaskStatus::Verifying].contains(&task.state.status))
    }

    pub(super) fn held_by(&self, agent: &AgentName) -> Vec<TaskId> {
        let held = self.tasks.values().filter(|task| task.state.status == TaskStatus::InProgress);
        held.filter(|task| task.state.lease.as_ref().is_some_and(|lease| lease.holder == *agent))
            .map(|task| task.id)
            .collect()
    }

    /// Grants what this waiter was seen to get, if it might, and says why there is no more.
    fn hand_out(
        &mut self,
        waiter: Waiter,
        agent: &AgentName,
        request: &ClaimRequest,
    ) -> (Vec<Grant>, Option<Nothing>) {
        let grants = match self.seen.get(&waiter) {
            Some(Reply::Task(TaskReply::Claimed(claimed))) => claimed.grants.clone(),
            Some(_) | None => Vec::new(),
        };
        let want = match request.want {
            Want::Next(count) => count as usize,
            Want::Task(_) => 1,
        };
        assert!(grants.len() <= want, "{want} wanted, and {} granted", grants.len());
        for grant in &grants {
            self.grant(agent, request, grant);
        }
        if grants.len() == want {
            return (grants, None);
        }
        let left = self.eligible(agent, request.want);
        assert!(left.is_empty(), "{agent} might have {left:?} and did not get it");
        let live = self.tasks.values().any(|task| !task.state.status.is_terminal());
        let nothing = self.closed(agent).unwrap_or(if live { Nothing::Blocked } else { Nothing::None });
        let why = grants.is_empty().then_some(nothing);
        (grants, why)
    }

    fn grant(&mut self, agent: &AgentName, request: &ClaimRequest, grant: &Grant) {
        let eligible = self.eligible(agent, request.want);
        assert!(eligible.contains(&grant.task), "{agent} may not have {}: {eligible:?}", grant.task);
        self.check_order(agent, request, grant.task);
        self.granted += 1;
        assert!(grant.fence > self.top_fence, "fence {} after {}", grant.fence, self.top_fence);
        self.top_fence = grant.fence;

        let ended_badly = |id: &&TaskId| {
            [TaskStatus::Failed, TaskStatus::Cancelled].contains(&self.tasks[*id].state.status)
        };
        let spec = &self.tasks[&grant.task].spec;
        let failed_parents = match spec.on_parent_failure {
            OnParentFailure::Run => spec.depends_on.iter().filter(ended_badly).copied().collect(),
            OnParentFailure::Cancel | OnParentFailure::Ignore => Vec::new(),
        };
        let limited = spec.labels.iter().filter(|label| self.rules.limits.labels.contains_key(label));
        self.starts.extend(limited.map(|label| (label.clone(), self.now)));

        let now = self.now;
        let state = &mut self.tasks.get_mut(&grant.task).unwrap().state;
        let hard_end = now.plus_millis(request.max_lease_ms);
        let expires_at = now.plus_millis(request.ttl_ms).min(hard_end);
        let expected = Grant {
            task: grant.task,
            fence: grant.fence,
            attempt: state.attempt + 1,
            expires_at,
            hard_end,
            failed_parents,
        };
        assert_eq!(*grant, expected);
        state.status = TaskStatus::InProgress;
        state.fence = Some(grant.fence);
        state.preferred = None;
        state.lease = Some(Lease {
            holder: agent.clone(),
            fence: grant.fence,
            session: request.session.clone(),
            claimed_at: now,
            ttl_ms: request.ttl_ms,
            expires_at,
            hard_end,
            progressed_at: now,
        });
    }

    /// The lowest rank goes first. Now and then it is the oldest of the kind that was to be next.
    fn check_order(&self, agent: &AgentName, request: &ClaimRequest, granted: TaskId) {
        let place = |id: &TaskId| (self.rank(*id), *id);
        let eligible = self.eligible(agent, request.want);
        let Some(best) = eligible.iter().copied().min_by_key(place) else { return };
        let next = self.ready(agent, request.want).into_iter().filter(|id| place(id) <= place(&best));
        let oldest_like =
            |id: TaskId| eligible.iter().copied().filter(|other| self.kind(*other) == self.kind(id)).min();
        let mut oldest = next.map(oldest_like);
        // Or of a kind that was passed over again and again.
        let passed_over = self.granted >= 16 && oldest_like(granted) == Some(granted);
        let is_next = granted == best || oldest.any(|id| id == Some(granted)) || passed_over;
        assert!(is_next, "{best} comes before {granted}");
    }

    fn rank(&self, id: TaskId) -> i64 {
        let task = &self.tasks[&id];
        task.created_at.as_millis() as i64 - 60_000 * i64::from(task.spec.priority.get())
    }

    fn kind(&self, id: TaskId) -> (Option<&AgentName>, &[Capability], Vec<&Label>) {
        let task = &self.tasks[&id];
        let kept_for = task.state.preferred.as_ref().map(|kept| &kept.agent);
        let ruled = |label: &&Label| {
            self.rules.limits.labels.contains_key(label) || self.rules.paused_labels.contains(label)
        };
        let labels = task.spec.labels.iter().filter(ruled).collect();
        (task.spec.assigned_to.as_ref().or(kept_for), &task.spec.capabilities, labels)
    }

    pub(super) fn give_up(&mut self, waits: Waits) {
        let Waits { place: _, waiter, agent, request, ended, keyed } = waits;
        let told = match self.attainable(&agent, &request) {
            Ok(()) => {
                let (grants, nothing) = self.hand_out(waiter, &agent, &request);
                Ok(claimed(ended, grants, nothing))
            }
            Err(refused) => ended.map(|_| claimed(ended, Vec::new(), None)).ok_or(refused),
        };
        self.tell(waiter, agent, keyed, told);
    }

    /// Whoever waits gets what there is, first come first served.
    pub(super) fn serve_waiting(&mut self) {
        self.waiting.sort_by_key(|waits| waits.place);
        for waits in std::mem::take(&mut self.waiting) {
            let attainable = self.attainable(&waits.agent, &waits.request);
            match (self.seen.get(&waits.waiter), attainable) {
                (Some(Reply::Task(TaskReply::Claimed(seen))), Ok(())) if !seen.grants.is_empty() => {
                    let Waits { place: _, waiter, agent, request, ended, keyed } = waits;
                    let (grants, _) = self.hand_out(waiter, &agent, &request);
                    self.tell(waiter, agent, keyed, Ok(claimed(ended, grants, None)));
                }
                (Some(_), Err(refused)) => {
                    let Waits { waiter, agent, ended, keyed, .. } = waits;
                    let told = ended.map(|_| claimed(ended, Vec::new(), None)).ok_or(refused);
                    self.tell(waiter, agent, keyed, told);
                }
                (_, _) => {
                    let left = self.eligible(&waits.agent, waits.request.want);
                    assert!(left.is_empty(), "{waits:?} might have {left:?}, and waits on");
                    self.waiting.push(waits);
                }
            }
        }
    }

    fn tell(&mut self, waiter: Waiter, agent: AgentName, keyed: Option<Keyed>, told: Told) {
        if let (Some(keyed), Ok(reply)) = (keyed, &told) {
            self.keep(agent, keyed, reply.clone());
        }
        self.told.insert(waiter, told);
    }
}

pub(super) fn in_bounds(request: &ClaimRequest) -> Result<(), Refused> {
    let count = match request.want {
        Want::Next(count) => (1..=100).contains(&count),
        Want::Task(_) => true,
    };
    let day = 86_400_000;
    let fits =
        count && (1_000..=day).contains(&request.ttl_ms) && (1_000..=7 * day).contains(&request.max_lease_ms);
    if fits { Ok(()) } else { Err("claim_out_of_range") }
}

pub(super) fn claimed(ended: Option<Stands>, grants: Vec<Grant>, nothing: Option<Nothing>) -> Reply {
    Reply::Task(TaskReply::Claimed(Box::new(Claimed { ended, grants, nothing })))
}
