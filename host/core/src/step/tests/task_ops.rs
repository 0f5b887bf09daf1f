//! What each operation means for the model, and what must be answered.

use super::model::{Entry, WaitingAgent};
use super::name;
use super::tasks::{Bench, MAX_LEASE, Op, Showing, TTL, Wish};
use crate::*;

impl Bench {
    pub(super) fn run(&mut self, op: &Op) {
        match op {
            Op::Create { by, tasks } => self.create(*by, tasks),
            Op::Claim { by, count, wait } => self.claim(*by, *count, *wait),
            Op::ClaimThis { by, task } => self.claim_this(*by, *task),
            Op::Renew(showing) => {
                self.show(showing, TaskCommand::Renew, |bench, id, _| bench.model.renew(id))
            }
            Op::Progress(showing) => {
                let progress = |hold| {
                    TaskCommand::Progress(
                        hold,
                        Progress { current_step: 1, total_steps: 2, message: "".into() },
                    )
                };
                self.show(showing, progress, |bench, id, _| bench.model.renew(id));
            }
            Op::Complete(showing) => {
                let complete =
                    |hold| TaskCommand::Complete(Completion { hold, result: "done".into(), next: None });
                self.show(showing, complete, |bench, id, _| {
                    let task = bench.model.get(id);
                    if task.spec.verify.is_none() {
                        return bench.model.end(id, TaskStatus::Completed);
                    }
                    (task.status, task.cancel) = (TaskStatus::Verifying, false);
                });
            }
            Op::Fail(showing, again) => {
                let fail = |hold| TaskCommand::Fail(Failure { hold, reason: "why".into(), again: *again });
                self.show(showing, fail, |bench, id, _| {
                    let task = bench.model.get(id);
                    match again {
                        Again::Never if !task.cancel => {
                            task.attempt += 1;
                            bench.model.end(id, TaskStatus::Failed);
                        }
                        Again::Never | Again::IfAttemptsAreLeft => bench.model.fail(id),
                    }
                });
            }
            Op::Release(showing) => {
                let release = |hold| TaskCommand::Release(hold, "note".into());
                self.show(showing, release, |bench, id, _| bench.model.give_back(id, None));
            }
            Op::Ask(showing) => {
                let ask = |hold| TaskCommand::Ask(hold, "what?".into());
                self.show(showing, ask, |bench, id, by| bench.model.give_back(id, Some(by)));
            }
            Op::Answer { by, task } => self.steer(
                *by,
                *task,
                |id| TaskCommand::Answer(id, "that".into()),
                |bench, id| {
                    let waits = bench.model.tasks[&id].status == TaskStatus::NeedsInput;
                    waits.then(|| bench.model.answer(id)).is_some()
                },
            ),
            Op::Cancel { by, task } => self.steer(
                *by,
                *task,
                |id| TaskCommand::Cancel(id, "why".into()),
                |bench, id| {
                    match bench.model.tasks[&id].status {
                        status if status.is_terminal() => return false,
                        TaskStatus::InProgress => bench.model.get(id).cancel = true,
                        _ => bench.model.end(id, TaskStatus::Cancelled),
                    }
                    true
                },
            ),
            Op::Retry { by, task } => self.retry(*by, *task),
            Op::Check { task, passed } => self.check(*task, *passed),
            Op::Reprioritise { by, task, priority } => self.reprioritise(*by, *task, *priority),
            Op::Pause(pause) => {
                let scope = Scope { label: None };
                let command = if *pause { QueueCommand::Pause(scope) } else { QueueCommand::Resume(scope) };
                let (_, others) = self.send(Caller::Operator, Command::Queue(command), None);
                self.model.paused = *pause;
                self.serve(others);
            }
            Op::Limit { label, agent } => self.limit(*label, *agent),
            Op::Pass(ms) => {
                self.model.now += ms;
                // The loop that ticks may be late: whatever comes next must not profit.
                if ms % 3 == 0 {
                    return;
                }
                self.tick();
            }
            Op::Restart => self.restart(),
            Op::HangUp(index) => {
                self.tick();
                if *index < self.model.waiting.len() {
                    let gone = self.model.waiting.remove(*index);
                    let (_, others) = self.send(Caller::Server, Command::Leave(gone.waiter), None);
                    self.serve(others);
                }
            }
            Op::Repeat => self.repeat(),
        }
    }

    fn tick(&mut self) {
        let (_, others) = self.send(Caller::Server, Command::Tick, None);
        self.serve(others);
    }

    fn create(&mut self, by: u8, wishes: &[Wish]) {
        let first = self.model.tasks.len() as u64 + 1;
        let now = self.model.now;
        let new: Vec<NewTask> =
            wishes.iter().enumerate().map(|(index, wish)| self.wish(index, wish)).collect();
        let (reply, others) = self.ask(name(by), Command::Task(TaskCommand::Create(new.clone())));
        let late = new.iter().any(|task| task.spec.deadline.is_some_and(|at| at.as_millis() <= now));
        let orphan = new.iter().any(|task| {
            task.parents.iter().any(|parent| match parent {
                Parent::Existing(id) => {
                    self.ended_badly(*id) && task.spec.on_parent_failure == OnParentFailure::Cancel
                }
                Parent::Sibling(_) => false,
            })
        });
        let Reply::Task(TaskReply::Created(created)) = reply else {
            assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
            assert!(by == 4 || late || orphan, "{reply:?}");
            return self.serve(others);
        };
        assert!(by != 4 && !late && !orphan, "this should have been refused: {new:?}");
        let mut next = first;
        for ((new, wish), created) in new.into_iter().zip(wishes).zip(&created) {
            let known = wish.key.and_then(|key| self.keys.get(&key).copied());
            assert_eq!(created.existed, known.is_some());
            assert_eq!(created.id, known.unwrap_or(TaskId(next)));
            if known.is_some() {
                continue;
            }
            next += 1;
            self.keys.extend(wish.key.map(|key| (key, created.id)));
            let resolve = |parent: &Parent| match parent {
                Parent::Existing(id) => *id,
                Parent::Sibling(index) => unreachable!("no siblings here: {index}"),
            };
            let depends_on = new.parents.iter().map(resolve).collect();
            let spec = TaskSpec { depends_on, ..new.spec };
            self.model.tasks.insert(created.id, Entry::new(spec, name(by), now));
            self.model.place(created.id);
        }
        self.serve(others);
    }

    fn wish(&self, index: usize, wish: &Wish) -> NewTask {
        let spec = TaskSpec {
            priority: wish.priority.try_into().unwrap(),
            labels: if wish.labelled { Box::new(["slow".parse().unwrap()]) } else { Box::default() },
            capabilities: if wish.skilled { Box::new(["api".parse().unwrap()]) } else { Box::default() },
            assigned_to: wish.assigned.map(name),
            touches: wish.touches.map(|n| format!("src/{n}").parse().unwrap()).into_iter().collect(),
            verify: wish.verified.then(|| Verify::Run(vec!["true".to_owned()])),
            max_attempts: wish.attempts,
            backoff: Backoff { base_ms: 1_000, max_ms: 1_000 },
            on_parent_failure: wish.on_failure,
            not_before: wish.not_before.map(|ms| Timestamp::from_millis(self.model.now + ms)),
            deadline: wish.deadline.map(|ms| Timestamp::from_millis(self.model.now + ms)),
            key: wish.key.map(|key| format!("key-{key}").parse().unwrap()),
            ..TaskSpec::default()
        };
        let parents =
            wish.parent.and_then(|parent| self.task(parent)).map(Parent::Existing).into_iter().collect();
        NewTask { body: TaskBody::new(&format!("task {index}"), "").unwrap(), spec, parents }
    }

    fn ended_badly(&self, id: TaskId) -> bool {
        matches!(self.model.tasks[&id].status, TaskStatus::Failed | TaskStatus::Cancelled)
    }

    fn claim(&mut self, by: u8, count: u32, wait: Option<u64>) {
        let now = self.model.now;
        let count = if wait.is_some() { 1 } else { count };
        let until = wait.map(|ms| Timestamp::from_millis(now + ms));
        let request = claim(Want::Next(count), until);
        let (reply, others) = self.ask(name(by), Command::Task(TaskCommand::Claim(request)));
        match reply {
            Reply::Refused(_) => assert_eq!(by, 4, "a worker may claim"),
            // `ask` stands this in for a reply that is to come.
            Reply::Done => {
                let fitting = self.model.next_for(&name(by));
                assert!(fitting.is_empty(), "it waits, and could have {fitting:?}");
                let waiting =
                    WaitingAgent { waiter: Waiter(self.waiter), agent: name(by), until: now + wait.unwrap() };
                self.model.waiting.push(waiting);
            }
            reply => self.granted(&name(by), count, &reply),
        }
        self.serve(others);
    }

    fn claim_this(&mut self, by: u8, index: usize) {
        let Some(id) = self.task(index) else { return };
        let agent = name(by);
        let (reply, others) =
            self.ask(agent.clone(), Command::Task(TaskCommand::Claim(claim(Want::Task(id), None))));
        let task = &self.model.tasks[&id];
        let possible = by != 4 && task.status == TaskStatus::Pending && self.model.can_do(task, &agent);
        match reply {
            Reply::Refused(_) => assert!(!possible, "{id} could be claimed: {reply:?}"),
            Reply::Task(TaskReply::Claimed(claimed)) => {
                assert!(possible, "{id} cannot be claimed by {agent}");
                assert_eq!(claimed.grants.len(), usize::from(self.model.may_have(id, &agent)));
                claimed.grants.iter().for_each(|grant| self.grant(&agent, grant));
            }
            other => panic!("{other:?}"),
        }
        self.serve(others);
    }

    /// A call that shows a fence: accepted from the holder under that fence alone.
    fn show(
        &mut self,
        showing: &Showing,
        command: impl FnOnce(Hold) -> TaskCommand,
        then: impl FnOnce(&mut Self, TaskId, AgentName),
    ) {
        let Some((by, hold)) = self.shown(showing) else { return };
        let command = command(hold);
        let releases = matches!(command, TaskCommand::Release(..));
        let (reply, others) = self.ask(by.clone(), Command::Task(command));
        let holds = self.model.holds(hold.task, &by, hold.fence);
        // A coordinator may release what others hold.
        let steers = releases && by == name(3) && self.held_under(hold);
        assert_eq!(!matches!(reply, Reply::Refused(_)), holds || steers, "{hold:?} shown by {by}: {reply:?}");
        if holds || steers {
            then(self, hold.task, by);
        }
        self.serve(others);
    }

    fn held_under(&self, hold: Hold) -> bool {
        let holder = self.model.tasks[&hold.task].lease.as_ref().map(|lease| lease.holder.clone());
        holder.is_some_and(|holder| self.model.holds(hold.task, &holder, hold.fence))
    }

    /// A call that decides about a task: accepted from its creator and a coordinator, where `then` finds it possible.
    fn steer(
        &mut self,
        by: u8,
        index: usize,
        command: impl FnOnce(TaskId) -> TaskCommand,
        then: impl FnOnce(&mut Self, TaskId) -> bool,
    ) {
        let Some(id) = self.task(index) else { return };
        let (reply, others) = self.ask(name(by), Command::Task(command(id)));
        let may = by == 3 || self.model.tasks[&id].creator == name(by);
        let done = may && then(self, id);
        assert_eq!(!matches!(reply, Reply::Refused(_)), done, "{id}: {reply:?}");
        self.serve(others);
    }

    fn retry(&mut self, by: u8, index: usize) {
        let Some(id) = self.task(index) else { return };
        let body = TaskBody::new("as stored", "").unwrap();
        let stored = Box::new(StoredTask { task: self.kept.tasks[&id].clone(), body });
        self.steer(
            by,
            index,
            |_| TaskCommand::Retry(stored),
            |bench, id| {
                let spec = &bench.model.tasks[&id].spec;
                let cancels = spec.on_parent_failure == OnParentFailure::Cancel;
                let orphan = cancels && spec.depends_on.iter().any(|parent| bench.ended_badly(*parent));
                let late = spec.deadline.is_some_and(|at| at.as_millis() <= bench.model.now);
                let may = bench.ended_badly(id) && !orphan && !late;
                may.then(|| bench.model.retry(id)).is_some()
            },
        );
    }

    fn check(&mut self, index: usize, passed: bool) {
        let Some(id) = self.task(index) else { return };
        let Some(fence) = self.model.tasks[&id].lease.as_ref().map(|lease| lease.fence) else { return };
        let verdict = Verdict { hold: Hold { task: id, fence }, passed, output: "said".into() };
        let (_, others) = self.send(Caller::Server, Command::Task(TaskCommand::Checked(verdict)), None);
        if self.model.tasks[&id].status == TaskStatus::Verifying {
            self.model.checked(id, passed);
        }
        self.serve(others);
    }

    fn reprioritise(&mut self, by: u8, index: usize, priority: i64) {
        let patch = TaskPatch { priority: Some(priority.try_into().unwrap()), ..TaskPatch::default() };
        let holder =
            self.task(index).and_then(|id| self.model.tasks[&id].lease.clone()).map(|lease| lease.holder);
        if holder == Some(name(by)) {
            return;
        }
        self.steer(
            by,
            index,
            |id| TaskCommand::Patch(id, Box::new(patch)),
            |bench, id| {
                let task = bench.model.get(id);
                if task.status.is_terminal() {
                    return false;
                }
                task.spec.priority = priority.try_into().unwrap();
                // Nobody holds it: where it waits is decided anew, by what it waits for now.
                if matches!(task.status, TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::Pending) {
                    bench.model.place(id);
                }
                true
            },
        );
    }

    fn limit(&mut self, label: Option<u32>, agent: Option<u32>) {
        let bound = LabelLimit { concurrent: label, starts_per_second: None };
        let labels = label.map(|_| ("slow".parse().unwrap(), bound)).into_iter().collect();
        let limits = QueueLimits { labels, per_agent: agent, ..QueueLimits::default() };
        let (_, others) =
            self.send(Caller::Operator, Command::Queue(QueueCommand::SetLimits(Box::new(limits))), None);
        (self.model.label_limit, self.model.agent_limit) = (label, agent);
        self.serve(others);
    }

    /// The process ends, and another goes on from what was stored. Whoever waited is gone.
    fn restart(&mut self) {
        self.state = self.kept.rebuild(Timestamp::from_millis(self.model.now), &super::profiles());
        self.model.waiting.clear();
        self.model.restart();
    }

    /// The last request comes again: the same answer, and nothing happens. Under its key, another one is refused.
    fn repeat(&mut self) {
        let Some((envelope, reply)) = self.last.clone() else { return };
        self.tick();
        let now = Timestamp::from_millis(self.model.now);
        let tasks = self.kept.tasks.clone();
        for hash in [envelope.waiter.0, 0] {
            let keyed = envelope.keyed.clone().map(|keyed| Keyed { hash, ..keyed });
            let again = Envelope { now, keyed, ..envelope.clone() };
            let step = step(&mut self.state, again, &mut HostOrder);
            let expected = if hash == 0 { Reply::Refused(Refusal::KeyReused) } else { reply.clone() };
            assert_eq!(step.replies, [(envelope.waiter, expected)]);
            self.kept.apply(&step);
        }
        assert_eq!(self.kept.tasks, tasks, "a repeated request changed something");
    }
}

fn claim(want: Want, wait_until: Option<Timestamp>) -> ClaimRequest {
    ClaimRequest { want, ttl_ms: TTL, max_lease_ms: MAX_LEASE, session: None, wait_until }
}
