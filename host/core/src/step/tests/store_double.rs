//! What a store keeps of tasks, built from the rows of each step and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::*;

#[derive(Default)]
pub(super) struct Kept {
    agents: BTreeMap<AgentName, Agent>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    replies: BTreeMap<(AgentName, Key), KeptReply>,
    rules: QueueRules,
    fence_limit: u64,
    last_event: u64,
}

impl Kept {
    pub(super) fn apply(&mut self, step: &Step) {
        for row in &step.rows {
            self.row(row);
        }
        for event in &step.events {
            self.last_event += 1;
            assert_eq!(event.seq.0, self.last_event, "a gap in the events");
        }
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::PutAgent(agent) => drop(self.agents.insert(agent.name.clone(), agent.clone())),
            Row::Task(TaskRow::Insert(stored)) => {
                let before = self.tasks.insert(stored.task.id, stored.task.clone());
                assert!(before.is_none(), "{} was made twice", stored.task.id);
            }
            Row::Task(TaskRow::SetState(id, state)) => self.task(*id).state = TaskState::clone(state),
            Row::Task(TaskRow::SetSpec(id, spec)) => self.task(*id).spec = Arc::clone(spec),
            Row::Task(TaskRow::SetBody(id, _)) | Row::Task(TaskRow::AddNote(id, _)) => drop(self.task(*id)),
            Row::SetQueueRules(rules) => self.rules = QueueRules::clone(rules),
            Row::SetFenceLimit(limit) => self.fence_limit = limit.0,
            Row::KeepReply(kept) => {
                let key = (kept.agent.clone(), kept.keyed.key.clone());
                self.replies.insert(key, KeptReply::clone(kept));
            }
            Row::ForgetReplies(agent, keys) => {
                self.replies.retain(|(other, key), _| other != agent || !keys.contains(key));
            }
            Row::PutToken(_) => {}
            Row::DeleteAgent(_) | Row::DeleteToken(_) | Row::PutRun(_) | Row::ForgetAllReplies(_) => {
                panic!("no history here leads to {row:?}")
            }
        }
    }

    fn task(&mut self, id: TaskId) -> &mut Task {
        self.tasks.get_mut(&id).unwrap_or_else(|| panic!("a row of {id}, which was never made"))
    }

    /// The state that another process would have.
    pub(super) fn rebuild(&self, now: Timestamp, profiles: &Profiles) -> State {
        let (ended, live): (Vec<_>, Vec<_>) =
            self.tasks.values().cloned().partition(|task| task.state.status.is_terminal());
        let keys = self.tasks.values().filter_map(|task| Some((task.spec.key.clone()?, task.id)));
        State::rebuild(Seed {
            boot: Some(BootNumber(1)),
            last_event: self.last_event,
            agents: self.agents.values().cloned().collect(),
            profiles: profiles.clone(),
            now,
            fence_limit: self.fence_limit,
            task_keys: keys.collect(),
            tasks: live,
            ended: ended.iter().map(|task| Stands { id: task.id, status: task.state.status }).collect(),
            queue_rules: self.rules.clone(),
            replies: self.replies.values().cloned().collect(),
            ..Seed::default()
        })
    }
}
