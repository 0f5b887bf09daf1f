//! What clients were told, and whether a database knows it.

use std::collections::{BTreeMap, BTreeSet};

use longhouse_core::{Caller, Command, Lock, LockCommand, LockReply, Reply, StoredTask, TaskStatus};
use longhouse_store::{Coordinator, MessageFilter, TaskFilter};

use crate::Said;
use crate::client::PARTS;

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub struct Memory {
    created: BTreeSet<u64>,
    claimed: BTreeMap<u64, u64>,
    completed: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    values: BTreeMap<String, u64>,
    locks: BTreeMap<u64, u64>,
    fences: BTreeSet<u64>,
    /// What no server may say.
    wrong: Vec<String>,
    acknowledged: u64,
}

/// How a database differs from what was said.
#[derive(Debug, Default)]
pub struct Findings {
    /// Acknowledged, and not there.
    pub lost: Vec<String>,
    /// What cannot be, acknowledged or not: done by halves, or twice.
    pub wrong: Vec<String>,
}

impl Memory {
    /// Remembers what was said.
    pub fn hear(&mut self, said: Said) {
        self.acknowledged += u64::from(!matches!(said, Said::Releasing(_)));
        match said {
            Said::Created(ids) => self.created.extend(ids),
            Said::Claimed { task, fence } => {
                self.given(fence);
                self.claimed.insert(task, fence);
            }
            Said::Completed(task) => {
                if !self.completed.insert(task) {
                    self.wrong.push(format!("t{task} was completed twice"));
                }
            }
            Said::Sent(message) => {
                self.sent.insert(message);
            }
            Said::Set(key, value) => {
                self.values.insert(key, value);
            }
            Said::Locked { lock, fence } => {
                self.given(fence);
                self.locks.insert(lock, fence);
            }
            // From here on nobody can tell, and then it is gone.
            Said::Releasing(lock) | Said::Released(lock) => {
                self.locks.remove(&lock);
            }
        }
    }

    /// How much was acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    fn given(&mut self, fence: u64) {
        if !self.fences.insert(fence) {
            self.wrong.push(format!("the fence {fence} was given twice"));
        }
    }

    /// What the coordinator of a database does not know, or knows by halves.
    pub fn compare(&self, coordinator: &Coordinator) -> Findings {
        let mut findings = Findings { lost: Vec::new(), wrong: self.wrong.clone() };
        self.compare_tasks(coordinator, &mut findings);
        self.compare_talk(coordinator, &mut findings);
        self.compare_locks(coordinator, &mut findings.lost);
        findings
    }

    fn compare_tasks(&self, coordinator: &Coordinator, findings: &mut Findings) {
        let filter = TaskFilter { limit: u32::MAX, ..TaskFilter::default() };
        let stored = coordinator.reads().tasks(&filter).expect("tasks can be read");
        let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
        for task in &stored {
            *parts.entry(&*task.body.title).or_default() += 1;
        }
        for (title, count) in parts.into_iter().filter(|(_, count)| *count != PARTS) {
            findings.wrong.push(format!("{count} tasks of the {PARTS} that {title} asked for"));
        }
        let stored: BTreeMap<u64, &StoredTask> = stored.iter().map(|task| (task.task.id.0, task)).collect();
        let state = |id: &u64| stored.get(id).map(|stored| &stored.task.state);
        let lost = &mut findings.lost;
        lost.extend(self.created.iter().filter(|id| !stored.contains_key(id)).map(|id| format!("t{id}")));
        for (id, fence) in &self.claimed {
            let is_kept = state(id).is_some_and(|state| {
                state.fence.is_some_and(|last| last.0 == *fence)
                    && (state.lease.is_some() || state.status == TaskStatus::Completed)
            });
            if !is_kept {
                lost.push(format!("the lease {fence} of t{id}"));
            }
        }
        for id in &self.completed {
            if state(id).is_none_or(|state| state.status != TaskStatus::Completed) {
                lost.push(format!("the completion of t{id}"));
            }
        }
    }

    fn compare_talk(&self, coordinator: &Coordinator, findings: &mut Findings) {
        let filter = MessageFilter { limit: u32::MAX, ..MessageFilter::default() };
        let stored = coordinator.reads().messages(&filter).expect("messages can be read");
        let mut texts = BTreeSet::new();
        for text in stored.iter().map(|stored| stored.message.new.body.text()) {
            if !texts.insert(text) {
                findings.wrong.push(format!("the message {text} was sent twice"));
            }
        }
        let lost = &mut findings.lost;
        let stored: BTreeSet<u64> = stored.iter().map(|stored| stored.message.id.0).collect();
        lost.extend(self.sent.difference(&stored).map(|id| format!("m{id}")));
        for (key, said) in &self.values {
            let key = key.parse().expect("a key");
            let stored = coordinator.reads().shared_value(&key).expect("shared state can be read");
            let value = stored.map(|stored| stored.value.parse::<u64>().expect("a number"));
            if value.is_none_or(|value| value < *said) {
                lost.push(format!("the value {said} of {}, which is {value:?}", key.as_str()));
            }
        }
    }

    fn compare_locks(&self, coordinator: &Coordinator, lost: &mut Vec<String>) {
        let found = coordinator.submit_blocking(Caller::Operator, Command::Lock(LockCommand::Find));
        let Ok(Reply::Lock(LockReply::Found(found))) = found else { panic!("{found:?}") };
        let is_kept = |id: u64, fence: u64| {
            found.locks.iter().any(|Lock { id: found, fence: under, .. }| (found.0, under.0) == (id, fence))
        };
        for (id, fence) in self.locks.iter().filter(|(id, fence)| !is_kept(**id, **fence)) {
            lost.push(format!("the lock {id} under {fence}"));
        }
    }
}
