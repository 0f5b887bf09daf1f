//! Lets a history happen, and compares every answer with the reference's.

use std::collections::{BTreeMap, BTreeSet};

use super::super::model::store::Store;
use super::Tally;
use super::answers::{as_told, kind};
use super::history::{Action, CHANNELS, Expect, KEYS, NAMES, To, What};
use super::reference::{Reference, Told};
use crate::*;

/// So many messages lie unread in one inbox when a history begins: nearly as many as may.
const UNREAD: u64 = 999;

pub(super) struct World {
    state: State,
    store: Store,
    reference: Reference,
    now: Timestamp,
    last_waiter: u64,
    boot: u32,
    /// Clients that read on: where each is, and what it got.
    readers: BTreeMap<AgentName, (u64, Vec<u64>)>,
    /// The waiters that they wait as.
    reading: BTreeMap<Waiter, AgentName>,
    /// What each read of the counter.
    fetched: BTreeMap<AgentName, (u64, u64)>,
    increments: u64,
    /// The last keyed change: who asked, under which key, and the answer.
    last: Option<(AgentName, Keyed, TalkCommand, Reply)>,
    pub(super) tally: Tally,
}

fn name(who: usize) -> AgentName {
    NAMES[who].parse().unwrap()
}

fn counter() -> StateKey {
    "counter".parse().unwrap()
}

fn new_agent(who: usize) -> NewAgent {
    let role = [Role::Admin, Role::Coordinator, Role::Worker, Role::Worker, Role::Observer][who];
    NewAgent {
        name: name(who),
        role,
        profile: "full".parse().unwrap(),
        capabilities: Vec::new(),
        token: TokenHash([who as u8; 32]),
    }
}

fn body() -> MessageBody {
    MessageBody::new("hello", Some("{}")).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let profiles: Profiles = [("full".parse().unwrap(), Profile::default())].into();
        let state = State::rebuild(Seed { boot: Some(BootNumber(1)), profiles, ..Seed::default() });
        let mut world = Self {
            state,
            store: Store::new(),
            reference: Reference::default(),
            now: Timestamp::from_millis(1),
            last_waiter: 0,
            boot: 1,
            readers: BTreeMap::new(),
            reading: BTreeMap::new(),
            fetched: BTreeMap::new(),
            increments: 0,
            last: None,
            tally: Tally::new(),
        };
        for who in 0..NAMES.len() {
            world.quietly(Caller::Operator, Command::AddAgent(new_agent(who)));
            world.reference.agents.insert(name(who), new_agent(who).role);
        }
        let spec = TaskSpec { max_attempts: 3, ..TaskSpec::default() };
        let task =
            || NewTask { body: TaskBody::new("t", "").unwrap(), spec: spec.clone(), parents: Vec::new() };
        let worker = Caller::Agent(name(2));
        world.quietly(worker.clone(), Command::Task(TaskCommand::Create(vec![task(), task()])));
        world.quietly(worker, Command::Task(TaskCommand::Claim(ClaimRequest::next())));
        world.reference.holder = Some(name(2));
        let to = vec![Recipient::Agent(name(4))];
        for _ in 0..UNREAD {
            let new = NewMessage {
                to: to.clone(),
                thread: None,
                importance: Importance::Low,
                ack: false,
                body: body(),
            };
            world.quietly(Caller::Agent(name(1)), Command::Talk(TalkCommand::Send(Box::new(new))));
        }
        world.reference.last_message = UNREAD;
        world.reference.inboxes.insert(name(4), (1..=UNREAD).map(|id| (id, false)).collect());
        world
    }

    pub(super) fn take(&mut self, action: &Action) {
        self.now = self.now.plus_millis(action.pause);
        let me = name(action.who);
        let until = |wait: &Option<u64>, now: Timestamp| wait.map(|wait| now.plus_millis(wait));
        let message = |back: i64, last: u64| MessageId(last.saturating_add_signed(back));
        match &action.what {
            What::Send { to, ack } => {
                let to = to.iter().map(recipient).collect();
                let new =
                    NewMessage { to, thread: None, importance: Importance::Normal, ack: *ack, body: body() };
                self.change(me, "send", TalkCommand::Send(Box::new(new)));
            }
            What::Inbox { after, which, wait } => {
                let after = after.map(|back| message(back, self.reference.last_message));
                let until = until(wait, self.now);
                drop(self.talk(me, "inbox", TalkCommand::Inbox { after, which: *which, until }, None));
            }
            What::ReadOn { wait } => {
                let after = self.readers.get(&me).map_or(0, |(after, _)| *after);
                let (after, until) = (Some(MessageId(after)), until(wait, self.now));
                // Whoever waits already would read the same again.
                if self.reading.values().any(|reader| *reader == me) {
                    return;
                }
                self.reading.insert(Waiter(self.last_waiter + 1), me.clone());
                let told =
                    self.talk(me, "inbox", TalkCommand::Inbox { after, which: Which::All, until }, None);
                if told.is_some() {
                    self.reading.remove(&Waiter(self.last_waiter));
                }
            }
            What::Ack { back, extent } => {
                let message = message(*back, self.reference.last_message);
                self.change(me, "ack", TalkCommand::Ack(message, *extent));
            }
            What::Follow(channel) => {
                self.change(me, "follow", TalkCommand::Follow(CHANNELS[*channel].parse().unwrap()))
            }
            What::Unfollow(channel) => {
                self.change(me, "unfollow", TalkCommand::Unfollow(CHANNELS[*channel].parse().unwrap()))
            }
            What::Set(key, expect) => {
                let key: StateKey = KEYS[*key].parse().unwrap();
                let expected = self.expected(&key, expect);
                self.change(me, "set", TalkCommand::Set(key, "1".into(), expected));
            }
            What::Delete(key, expect) => {
                let key: StateKey = KEYS[*key].parse().unwrap();
                let expected = self.expected(&key, expect);
                self.change(me, "delete", TalkCommand::Delete(key, expected));
            }
            What::Look { key, after, wait } => {
                let key: StateKey = KEYS[*key].parse().unwrap();
                let version = self.reference.version(&key);
                let after = after.map(|back| StateVersion(version.saturating_add_signed(back)));
                let until = until(wait, self.now);
                drop(self.talk(me, "look", TalkCommand::Look { key, after, until }, None));
            }
            What::Fetch => {
                let stored = self.store.talk.values.get(&counter());
                let read = stored.map_or((0, 0), |(version, value)| (version.0, value.parse().unwrap()));
                self.fetched.insert(me, read);
            }
            What::Increment => {
                let Some((version, value)) = self.fetched.remove(&me) else { return };
                let expected = match version {
                    0 => Precondition::Absent,
                    version => Precondition::Version(StateVersion(version)),
                };
                let set = TalkCommand::Set(counter(), (value + 1).to_string().into(), expected);
                if let Some(Ok(_)) = self.talk(me, "set", set, None) {
                    self.increments += 1;
                }
            }
            What::Progress => {
                let (status, message) = ("s".to_owned(), String::new());
                let at_ms = Timestamp::from_millis(0);
                let progress =
                    ProjectProgress { current_step: 1, total_steps: 2, status, message, set_by: None, at_ms };
                self.change(me, "progress", TalkCommand::SetProgress(Box::new(progress)));
            }
            What::Remove => self.remove(&me),
            What::Add => self.add(action.who),
            What::Leave(nth) => {
                let waiting = self.reference.waits.len().max(1);
                let Some((waiter, ..)) = self.reference.waits.get(nth % waiting).cloned() else { return };
                self.reading.remove(&waiter);
                let woken = self.reference.due(self.now);
                self.reference.waits.retain(|(other, ..)| *other != waiter);
                self.step(
                    Caller::Server,
                    Command::Leave(waiter),
                    None,
                    "leave",
                    Some(Ok(Reply::Done)),
                    woken,
                );
            }
            What::Repeat { same } => self.repeat(*same),
            What::Restart => self.restart(),
        }
    }

    /// What must hold at the end: whoever read on got each message once, in order, and no increment was lost.
    pub(super) fn finish(&mut self) {
        for (agent, inbox) in &self.reference.inboxes {
            let Some((after, read)) = self.readers.get(agent) else { continue };
            let sent: Vec<u64> = inbox.iter().map(|(id, _)| *id).filter(|id| id <= after).collect();
            assert_eq!(*read, sent, "{agent} got its mail otherwise than it was sent");
        }
        let value = self.store.talk.values.get(&counter()).map_or(0, |(_, value)| value.parse().unwrap());
        assert_eq!(self.increments, value, "an increment was lost");
    }

    fn expected(&self, key: &StateKey, expect: &Expect) -> Precondition {
        match expect {
            Expect::Is(precondition) => *precondition,
            Expect::Behind(by) => {
                Precondition::Version(StateVersion(self.reference.version(key).saturating_sub(*by)))
            }
        }
    }

    fn change(&mut self, agent: AgentName, label: &'static str, command: TalkCommand) {
        let keyed = Keyed { key: format!("k{}", self.last_waiter).parse().unwrap(), hash: 1 };
        if let Some(Ok(reply)) = self.talk(agent.clone(), label, command.clone(), Some(keyed.clone())) {
            self.last = Some((agent, keyed, command, reply));
        }
    }

    fn talk(
        &mut self,
        agent: AgentName,
        label: &'static str,
        command: TalkCommand,
        keyed: Option<Keyed>,
    ) -> Told {
        let mut others = self.reference.due(self.now);
        let told = self.reference.take(&agent, Waiter(self.last_waiter + 1), self.now, &command);
        others.extend(self.reference.woken());
        self.step(Caller::Agent(agent), Command::Talk(command), keyed, label, told.clone(), others);
        told
    }

    fn repeat(&mut self, same: bool) {
        let Some((agent, mut keyed, command, reply)) = self.last.clone() else { return };
        if !self.reference.agents.contains_key(&agent) {
            return;
        }
        keyed.hash += u64::from(!same);
        let told = Some(if same { Ok(reply) } else { Err("key_reused") });
        let due = self.reference.due(self.now);
        self.step(Caller::Agent(agent), Command::Talk(command), Some(keyed), "repeat", told, due);
    }

    fn remove(&mut self, agent: &AgentName) {
        let mut others = self.reference.due(self.now);
        let told = match self.reference.agents.contains_key(agent) {
            true => Ok(Reply::Done),
            false => Err("no_such_agent"),
        };
        self.reference.remove(agent);
        others.extend(self.reference.woken());
        self.readers.remove(agent);
        self.reading.retain(|_, reader| reader != agent);
        self.last = self.last.take().filter(|(by, ..)| by != agent);
        let command = Command::RemoveAgent(agent.clone());
        self.step(Caller::Operator, command, None, "remove_agent", Some(told), others);
    }

    fn add(&mut self, who: usize) {
        let due = self.reference.due(self.now);
        let told = match self.reference.agents.insert(name(who), new_agent(who).role) {
            None => Ok(Reply::Done),
            Some(_) => Err("agent_exists"),
        };
        let command = Command::AddAgent(new_agent(who));
        self.step(Caller::Operator, command, None, "add_agent", Some(told), due);
    }

    /// The process ends, and another begins from what is stored.
    fn restart(&mut self) {
        self.boot += 1;
        let rebuilt = self.store.rebuild(self.boot, self.now);
        let waits = Default::default();
        let durable = talk::Talk { waits, ..self.state.talk.clone() };
        assert!(rebuilt.talk == durable, "the rows do not tell the state");
        self.state = rebuilt;
        self.reference.waits.clear();
        self.reading.clear();
        *self.tally.entry(("(restart)", "same")).or_default() += 1;
    }

    fn quietly(&mut self, caller: Caller, command: Command) {
        let envelope = Envelope { waiter: Waiter(0), caller, now: self.now, seed: 0, command, keyed: None };
        let step = step(&mut self.state, envelope, &mut HostOrder);
        assert!(step.replies.iter().all(|(_, reply)| !matches!(reply, Reply::Refused(_))), "{step:?}");
        self.store.write(&step);
    }

    fn step(
        &mut self,
        caller: Caller,
        command: Command,
        keyed: Option<Keyed>,
        label: &'static str,
        told: Told,
        others: Vec<(Waiter, Result<Reply, &'static str>)>,
    ) {
        self.last_waiter += 1;
        let waiter = Waiter(self.last_waiter);
        let before = self.state.talk.clone();
        let quiet = others.is_empty();
        let envelope = Envelope { waiter, caller, now: self.now, seed: 0, command: command.clone(), keyed };
        let step = step(&mut self.state, envelope, &mut HostOrder);
        self.store.write(&step);
        let refused = matches!(told, Some(Err(_)));
        let own = told.map(|told| (waiter, told));
        *self.tally.entry((label, kind(own.as_ref().map(|(_, told)| told)))).or_default() += 1;
        for (_, told) in &others {
            *self.tally.entry(("(had waited)", kind(Some(told)))).or_default() += 1;
        }
        let expected: BTreeMap<Waiter, Result<Reply, &'static str>> = others.into_iter().chain(own).collect();
        let given: BTreeMap<Waiter, Result<Reply, &'static str>> =
            step.replies.iter().map(|(waiter, reply)| (*waiter, as_told(reply))).collect();
        assert_eq!(given.len(), step.replies.len(), "somebody was answered twice");
        assert_eq!(given, expected, "{command:?}");
        if refused && quiet {
            assert!(self.state.talk == before, "a refusal changed the state");
            assert!(step.rows.is_empty() && step.events.is_empty());
        }
        self.check_waiters();
        self.check_stored();
        self.read_on(&step, waiter);
    }

    fn check_waiters(&self) {
        let waits: BTreeSet<Waiter> = self.reference.waits.iter().map(|(waiter, ..)| *waiter).collect();
        assert_eq!(self.state.waiters().into_iter().collect::<BTreeSet<_>>(), waits);
        let next = self.reference.waits.iter().map(|(.., until)| *until).min();
        assert!(self.state.next_due() <= next || next.is_none(), "a wait would end late");
    }

    /// What is stored is what the reference has: each message in each inbox once, in order; each value.
    fn check_stored(&self) {
        let stored = &self.store.talk;
        for (agent, inbox) in &self.reference.inboxes {
            let lies: Vec<(u64, bool)> =
                stored.inboxes.get(agent).into_iter().flatten().map(|(id, acked)| (id.0, *acked)).collect();
            assert!(lies == *inbox, "the inbox of {agent}");
        }
        let values: BTreeMap<StateKey, (u64, String)> = stored
            .values
            .iter()
            .map(|(key, (version, value))| (key.clone(), (version.0, value.as_ref().to_owned())))
            .collect();
        assert_eq!(values, self.reference.values);
    }

    /// A client that goes on from where it was, three messages at a time.
    fn read_on(&mut self, step: &Step, asked: Waiter) {
        for (waiter, reply) in &step.replies {
            let Reply::Talk(TalkReply::Mail(facts)) = reply else { continue };
            let Some(agent) = self.reading.get(waiter).cloned() else { continue };
            let inbox = self.store.talk.inboxes.get(&agent).cloned().unwrap_or_default();
            let page: Vec<u64> =
                inbox.keys().map(|id| id.0).filter(|id| *id > facts.after.0).take(3).collect();
            let reader = self.readers.entry(agent).or_default();
            reader.0 = page.last().copied().unwrap_or(reader.0);
            reader.1.extend(page);
            if *waiter != asked {
                self.reading.remove(waiter);
            }
        }
    }
}

fn recipient(to: &To) -> Recipient {
    match to {
        To::Agent(who) => Recipient::Agent(name(*who)),
        To::Nobody => Recipient::Agent("nobody".parse().unwrap()),
        To::Role(role) => Recipient::Role(Role::ALL[*role]),
        To::Task(task) => Recipient::Holder(TaskId(*task)),
        To::Channel(channel) => Recipient::Channel(CHANNELS[*channel].parse().unwrap()),
        To::Everyone => Recipient::Everyone,
    }
}
