//! What a store keeps: the rows of each step, and nothing else.

use std::collections::BTreeMap;

use super::super::super::crew::tests::CrewStore;
use super::super::talk::TalkStore;
use crate::*;

pub(in super::super) struct Store {
    agents: BTreeMap<AgentName, Agent>,
    tokens: BTreeMap<TokenHash, Token>,
    pub(super) tasks: BTreeMap<TaskId, StoredTask>,
    pub(super) rules: QueueRules,
    replies: BTreeMap<(AgentName, Key), KeptReply>,
    pub(super) fence_limit: Fence,
    last_event: u64,
    pub(in super::super) talk: TalkStore,
    crew: CrewStore,
}

impl Store {
    pub(in super::super) fn new() -> Self {
        Self {
            agents: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tasks: BTreeMap::new(),
            rules: QueueRules::default(),
            replies: BTreeMap::new(),
            fence_limit: Fence(0),
            last_event: 0,
            talk: TalkStore::default(),
            crew: CrewStore::default(),
        }
    }

    pub(in super::super) fn write(&mut self, step: &Step) {
        for event in &step.events {
            self.last_event += 1;
            assert_eq!(event.seq, EventSeq(self.last_event), "a gap in the events");
        }
        step.rows.iter().cloned().for_each(|row| self.apply(row));
    }

    fn apply(&mut self, row: Row) {
        match row.clone() {
            Row::PutAgent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
            Row::DeleteAgent(name) => assert!(self.agents.remove(&name).is_some()),
            Row::PutToken(token) => drop(self.tokens.insert(token.hash, token)),
            Row::DeleteToken(hash) => assert!(self.tokens.remove(&hash).is_some()),
            Row::PutRun(_) | Row::Lock(_) | Row::SetPolicies(_) | Row::SetDelivered(..) | Row::Audit(..) => {
                panic!("no history here has runs, locks or webhooks: {row:?}")
            }
            Row::Task(row) => self.apply_to_task(row),
            Row::SetQueueRules(rules) => self.rules = *rules,
            Row::SetFenceLimit(fence) => {
                assert!(fence > self.fence_limit);
                self.fence_limit = fence;
            }
            Row::KeepReply(kept) => {
                assert!(self.agents.contains_key(&kept.agent), "an answer to nobody");
                self.replies.insert((kept.agent.clone(), kept.keyed.key.clone()), *kept);
            }
            Row::ForgetReplies(agent, keys) => {
                for key in keys {
                    assert!(self.replies.remove(&(agent.clone(), key)).is_some());
                }
            }
            Row::Talk(row) => self.talk.apply(row),
            Row::Crew(row) => self.crew.apply(row),
            // Who may not know of a loss: no history here changes files.
            Row::Commit(_) => {}
            Row::ForgetAllReplies(name) => self.replies.retain(|(agent, _), _| *agent != name),
        }
    }

    fn apply_to_task(&mut self, row: TaskRow) {
        match row {
            TaskRow::Insert(stored) => {
                let id = stored.task.id;
                assert_eq!(id.0, self.tasks.len() as u64 + 1, "tasks are numbered without gaps");
                assert!(self.tasks.insert(id, *stored).is_none());
            }
            TaskRow::SetState(id, state) => self.task(id).task.state = *state,
            TaskRow::SetSpec(id, spec) => self.task(id).task.spec = spec,
            TaskRow::SetBody(id, body) => self.task(id).body = body,
            TaskRow::AddNote(id, _) => drop(self.task(id)),
        }
    }

    fn task(&mut self, id: TaskId) -> &mut StoredTask {
        self.tasks.get_mut(&id).unwrap_or_else(|| panic!("{id} is not stored"))
    }

    pub(in super::super) fn rebuild(&self, boot: u32, now: Timestamp) -> State {
        let tasks = self.tasks.values().map(|stored| &stored.task);
        let (ended, live): (Vec<&Task>, Vec<&Task>) =
            tasks.clone().partition(|task| task.state.status.is_terminal());
        let mut replies: Vec<KeptReply> = self.replies.values().cloned().collect();
        replies.sort_by_key(|kept| kept.at);
        State::rebuild(Seed {
            boot: Some(BootNumber(boot)),
            last_run: 0,
            last_event: self.last_event,
            agents: self.agents.values().cloned().collect(),
            tokens: self.tokens.values().cloned().collect(),
            profiles: super::profiles(),
            runs: Vec::new(),
            now,
            fence_limit: self.fence_limit.0,
            tasks: live.into_iter().cloned().collect(),
            ended: ended.iter().map(|task| Stands { id: task.id, status: task.state.status }).collect(),
            task_keys: tasks.filter_map(|task| Some((task.spec.key.clone()?, task.id))).collect(),
            queue_rules: self.rules.clone(),
            replies,
            talk: self.talk.seed(),
            crew: self.crew.seed(),
            ..Seed::default()
        })
    }
}
