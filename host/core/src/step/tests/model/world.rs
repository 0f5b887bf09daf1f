//! A project in which things happen: the state, what is stored of it, the model, and what was seen.

use proptest::sample::Index;

use super::answers::{self, Tally};
use super::checks::{Seen, Taken, own_reply, task_events, the_model_agrees};
use super::history::{Action, By, What};
use super::reference::Model;
use super::store::Store;
use super::team;
use crate::*;

pub(super) struct World {
    pub(super) state: State,
    pub(super) store: Store,
    pub(super) model: Model,
    seen: Seen,
    pub(super) now: Timestamp,
    boot: u32,
    waiter: u64,
    /// What was sent under keys.
    keyed: Vec<Envelope>,
    /// Tasks as somebody read them after they had ended, since the server began.
    pub(super) read: Vec<StoredTask>,
    pub(super) tally: Tally,
    /// Is told of every step before it is checked.
    pub(super) watch: fn(&Envelope, &Step),
}

impl World {
    pub(super) fn new() -> Self {
        let now = Timestamp::from_millis(1_000_000_000);
        let mut world = Self {
            state: Store::new().rebuild(1, now),
            store: Store::new(),
            model: Model::new(now, Vec::new()),
            seen: Seen::default(),
            now,
            boot: 1,
            waiter: 0,
            keyed: Vec::new(),
            read: Vec::new(),
            tally: Tally::default(),
            watch: |_, _| (),
        };
        for agent in team() {
            world.tell(Caller::Operator, add(agent));
        }
        world
    }

    /// Lets something happen.
    pub(super) fn take(&mut self, action: &Action) {
        self.now = self.now.plus_millis(action.after_ms);
        match &action.what {
            What::Restart => return self.restart(),
            What::Repeat { which, other_body } => {
                if let Some(mut envelope) = pick(which, &self.keyed).cloned() {
                    if let Some(keyed) = &mut envelope.keyed {
                        keyed.hash += u64::from(*other_body);
                    }
                    self.waiter += 1;
                    self.send("repeat", Envelope { waiter: Waiter(self.waiter), now: self.now, ..envelope });
                }
                return;
            }
            _ => {}
        }
        let Some((entitled, command)) = self.resolve(action) else { return };
        let caller = match &action.by {
            By::Entitled(_) => entitled,
            By::Anybody(who) => match who.index(team().len() + 2) {
                0 => Caller::Operator,
                1 => Caller::Server,
                n => Caller::Agent(team()[n - 2].name.clone()),
            },
        };
        self.waiter += 1;
        let key = || format!("request-{}", self.waiter).parse().unwrap();
        let keyed = action.keyed.then(|| Keyed { key: key(), hash: 7 });
        let (waiter, now, seed) = (Waiter(self.waiter), self.now, action.seed);
        let envelope = Envelope { waiter, caller, now, seed, command, keyed };
        if envelope.keyed.is_some() {
            self.keyed.push(envelope.clone());
        }
        self.send(answers::command(&envelope.command), envelope);
    }

    pub(super) fn tell(&mut self, caller: Caller, command: Command) -> Step {
        self.tell_once(caller, command, None)
    }

    /// Tells something under a key.
    pub(super) fn tell_once(&mut self, caller: Caller, command: Command, keyed: Option<Keyed>) -> Step {
        self.waiter += 1;
        let (waiter, now) = (Waiter(self.waiter), self.now);
        let row = answers::command(&command);
        self.send(row, Envelope { waiter, caller, now, seed: 0, command, keyed })
    }

    pub(super) fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.plus_millis(ms);
    }

    /// Takes one step, and checks everything.
    pub(super) fn send(&mut self, row: &'static str, envelope: Envelope) -> Step {
        let before = self.state.clone();
        let step = step(&mut self.state, envelope.clone(), &mut HostOrder);
        (self.watch)(&envelope, &step);
        self.store.write(&step);
        let Self { state, store, .. } = self;
        let taken = Taken { envelope: &envelope, before: &before, step: &step, state, store };
        self.seen.check(&taken);
        self.model.step(&envelope, &step.replies);
        the_model_agrees(&taken, &self.model);

        self.tally.note(row, answers::answer(own_reply(&taken)));
        for (_, reply) in step.replies.iter().filter(|(waiter, _)| *waiter != envelope.waiter) {
            self.tally.note("(had waited)", answers::answer(Some(reply)));
        }
        for (task, event) in task_events(&step) {
            self.tally.note("(event)", event.type_name());
            let stored = &self.store.tasks[&task];
            if stored.task.state.status.is_terminal() {
                self.read.push(stored.clone());
            }
        }
        step
    }

    pub(super) fn restart(&mut self) {
        self.boot += 1;
        self.state = self.store.rebuild(self.boot, self.now);
        self.model.restart(self.now);
        self.seen.restarted();
        // Nobody holds on to what was read of the process before.
        self.read.clear();
        self.keyed.retain(|envelope| !matches!(envelope.command, Command::Task(TaskCommand::Retry(_))));
        self.tally.note("(restart)", "");
    }
}

pub(super) fn pick<'a, T>(index: &Index, from: &'a [T]) -> Option<&'a T> {
    (!from.is_empty()).then(|| &from[index.index(from.len())])
}

pub(super) fn add(agent: Agent) -> Command {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    let mut token = [0; 32];
    token[..8].copy_from_slice(&TOKENS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let Agent { name, role, profile, capabilities } = agent;
    Command::AddAgent(NewAgent { name, role, profile, capabilities, token: TokenHash(token) })
}
