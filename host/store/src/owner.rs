//! The coordinator's loop: the one owner of a project's state.
//!
//! Two threads, so that a decision never waits for the disk: this one steps commands and stages what they
//! change, the writer syncs the batch before. A reply is held back until its own batch is durable. The
//! batch is whatever was staged while the writer was busy, so load makes batches larger, not slower.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use longhouse_core::{
    Abort, AgentName, BootNumber, Caller, Command, CommitCommand, CommitReply, Decide, Directory, Effect,
    Envelope, EventSeq, Grant, Hold, Keyed, LockCommand, LockReply, Reply, Row, RunRecord, RunStatus, State,
    Step, Suspended, TaskCommand, TaskReply, Timestamp, Undo, Waiter, step,
};
use tokio::sync::{oneshot, watch};

use crate::load::Again;
use crate::recent::Recent;
use crate::stage::{Batch, Follow};
use crate::writer::{Done, Reopened, Unwritten, Work, Writer};
use crate::{Clock, OpenOptions, StoreError, StoredEvent, SubmitError};

/// How long the database is left alone after an attempt to open it failed; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest of these pauses: an attempt reads the whole database.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How far the clock may get ahead of the time that passed before it counts as having jumped.
const JUMP: Duration = Duration::from_secs(5);

/// No waiter: they are numbered from 1.
const NOBODY: Waiter = Waiter(0);

/// Where a reply goes.
type ReplySender = oneshot::Sender<Result<Reply, SubmitError>>;

/// A command that somebody waits for.
pub(crate) struct Question {
    pub(crate) waiter: Waiter,
    pub(crate) caller: Caller,
    pub(crate) command: Command,
    pub(crate) keyed: Option<Keyed>,
    pub(crate) reply: ReplySender,
}

/// What lies in the coordinator's mailbox.
pub(crate) enum Mail {
    /// A command, and where its reply goes.
    Ask(Question),
    /// A command that nobody waits for.
    Tell(Caller, Command),
    /// The writer finished a piece of work.
    Writer(Done),
    /// No more commands.
    Close,
}

pub(crate) struct Owner {
    state: State,
    boot: BootNumber,
    decide: Box<dyn Decide + Send>,
    clock: Arc<dyn Clock>,
    effects: Box<dyn FnMut(Effect) + Send>,
    directory: Arc<ArcSwap<Directory>>,
    writer: Writer,
    health: Health,
    staged: Batch,
    /// What follows once the writer is done with the batch it has.
    in_flight: Option<Follow>,
    waiters: HashMap<Waiter, Waiting>,
    last_event: watch::Sender<EventSeq>,
    recent: Arc<Recent>,
    /// When the last command was stepped, by the clock and by the time that passes.
    last_step: (Timestamp, Instant),
    /// Told while the database was broken, or lost with a batch; stepped once it works again.
    told: Vec<Told>,
    random: u64,
}

/// Somebody who waits for a reply.
struct Waiting {
    reply: ReplySender,
    /// Whom a grant is to be taken back from that does not reach them: a request with a key may be repeated.
    unkeyed: Option<AgentName>,
}

/// What nobody waits for and is not to be lost.
struct Told {
    caller: Caller,
    command: Command,
    /// It was done if the database has this event.
    done_by: Option<EventSeq>,
}

/// Whether the state and the database can be trusted.
enum Health {
    Sound,
    /// A commit or a step failed. Nothing is changed until the database was opened and written again.
    Broken(Break),
}

struct Break {
    why: Suspended,
    /// When the database is to be opened; `None` while the writer does that.
    probe_at: Option<Instant>,
    /// How long it is left alone if that fails.
    pause: Duration,
    /// As of when the state is what is stored, so that whoever only looks can be answered; `None` if it is not.
    stored_at: Option<Timestamp>,
}

impl Break {
    fn new(why: Suspended) -> Self {
        Self { why, probe_at: Some(Instant::now()), pause: FIRST_PAUSE, stored_at: None }
    }
}

impl Owner {
    pub(crate) fn open(
        options: OpenOptions,
        mailbox: Sender<Mail>,
        directory: Arc<ArcSwap<Directory>>,
        last_event: watch::Sender<EventSeq>,
        recent: Arc<Recent>,
    ) -> Result<Self, StoreError> {
        let OpenOptions { database, profiles, clock, decide, effects } = options;
        let done = move |done| {
            // The loop only goes away after the writer: nobody is left to be told.
            let _ = mailbox.send(Mail::Writer(done));
        };
        let (writer, state) = Writer::start(&database, profiles, clock.now(), done)?;
        directory.store(Arc::new(state.directory()));
        recent.begin_after(state.last_event());
        last_event.send_replace(state.last_event());
        let last_step = (clock.now(), Instant::now());
        let mut owner = Self {
            boot: state.boot(),
            state,
            decide,
            clock,
            effects,
            directory,
            writer,
            health: Health::Sound,
            staged: Batch::default(),
            in_flight: None,
            waiters: HashMap::new(),
            last_event,
            recent,
            last_step,
            told: Vec::new(),
            random: getrandom::u64().unwrap_or_default(),
        };
        for command in owner.state.interrupted(owner.clock.now()) {
            owner.tell(Caller::Server, command);
        }
        owner.staged.add_effects(owner.state.unfinished_effects(), Instant::now());
        Ok(owner)
    }

    /// Runs until closed, then commits what is staged and closes the database.
    pub(crate) fn run(mut self, inbox: &Receiver<Mail>) {
        let mut closing = false;
        while !(closing && self.in_flight.is_none() && self.staged.due().is_none()) {
            match self.next(inbox) {
                Some(Mail::Ask(question)) if closing => refuse(question.reply, SubmitError::Closed),
                Some(Mail::Ask(question)) => self.ask(question),
                Some(Mail::Tell(caller, command)) => self.tell(caller, command),
                Some(Mail::Writer(Done::Written(result))) => self.written(result),
                Some(Mail::Writer(Done::Reopened(result))) => self.reopened(*result),
                Some(Mail::Close) => {
                    closing = true;
                    self.release_waiters();
                }
                None => {}
            }
            self.probe_if_due();
            if self.is_sound() && self.state.next_due().is_some_and(|due| due <= self.clock.now()) && !closing
            {
                self.tell(Caller::Server, Command::Tick);
            }
            if self.in_flight.is_none()
                && self.staged.due().is_some_and(|due| closing || due <= Instant::now())
            {
                self.commit();
            }
        }
        self.writer.finish();
    }

    /// The next mail; `None` when the staged batch, something in the state or a probe became due first.
    fn next(&self, inbox: &Receiver<Mail>) -> Option<Mail> {
        let batch = self.staged.due().filter(|_| self.in_flight.is_none());
        let batch = batch.map(|due| due.saturating_duration_since(Instant::now()));
        let state = self.state.next_due().filter(|_| matches!(self.health, Health::Sound));
        let state = state.map(|due| due.since(self.clock.now()));
        let probe = match &self.health {
            Health::Sound => None,
            Health::Broken(broken) => broken.probe_at,
        };
        let probe = probe.map(|at| at.saturating_duration_since(Instant::now()));
        let received = match batch.into_iter().chain(state).chain(probe).min() {
            Some(wait) => inbox.recv_timeout(wait),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(mail) => Some(mail),
            Err(RecvTimeoutError::Timeout) => None,
            // The writer holds a sender, so this needs both ends of the program to have gone wrong.
            Err(RecvTimeoutError::Disconnected) => Some(Mail::Close),
        }
    }

    fn ask(&mut self, question: Question) {
        let Question { waiter, caller, command, keyed, reply } = question;
        if let Health::Broken(broken) = &self.health {
            return match broken.stored_at.filter(|_| command.only_looks()) {
                Some(now) => self.look(now, caller, command, reply),
                None => refuse(reply, SubmitError::Suspended(broken.why)),
            };
        }
        let unkeyed = unkeyed(&caller, keyed.as_ref()).cloned();
        self.waiters.insert(waiter, Waiting { reply, unkeyed });
        self.step(waiter, caller, command, keyed);
    }

    fn tell(&mut self, caller: Caller, command: Command) {
        if self.is_sound() {
            self.step(NOBODY, caller, command, None);
        } else if command.is_to_be_made_up_for() {
            self.told.push(Told { caller, command, done_by: None });
        }
    }

    /// Answers from the state as it is stored, at the time it was read: nothing has become due since. What the step
    /// leads to besides is dropped, and so is the state, once the database works.
    fn look(&mut self, now: Timestamp, caller: Caller, command: Command, reply: ReplySender) {
        let envelope = Envelope { waiter: NOBODY, caller, now, seed: self.random(), command, keyed: None };
        let (state, decide) = (&mut self.state, &mut *self.decide);
        let step = catch_unwind(AssertUnwindSafe(|| step(state, envelope, decide)));
        let answer =
            step.ok().and_then(|step| step.replies.into_iter().find(|(waiter, _)| *waiter == NOBODY));
        // Whoever asked may have gone away.
        let _ =
            reply.send(answer.map(|(_, reply)| reply).ok_or(SubmitError::Suspended(Suspended::Restarting)));
    }

    fn step(&mut self, waiter: Waiter, caller: Caller, command: Command, keyed: Option<Keyed>) {
        let now = self.clock.now();
        let (last, last_at) = std::mem::replace(&mut self.last_step, (now, Instant::now()));
        if now.since(last) > last_at.elapsed() + JUMP {
            tracing::warn!(by = ?now.since(last), "the clock jumped ahead, or the machine slept: leases begin anew");
            self.step(NOBODY, Caller::Server, Command::Forgive, None);
        }
        let sets_profiles = matches!(command, Command::SetProfiles(_));
        let envelope = Envelope { waiter, caller, now, seed: self.random(), command, keyed };
        let (state, decide) = (&mut self.state, &mut *self.decide);
        match catch_unwind(AssertUnwindSafe(|| step(state, envelope, decide))) {
            Ok(step) => self.stage(step, sets_profiles),
            Err(_) => self.fail("a step panicked", Suspended::Restarting),
        }
    }

    fn stage(&mut self, step: Step, sets_profiles: bool) {
        let Step { rows, events, effects, replies } = step;
        // Profiles are not stored: they are read anew at every start.
        if sets_profiles || rows.iter().any(Row::changes_directory) {
            self.staged.follow.directory = Some(Arc::new(self.state.directory()));
        }
        let (early, late): (Vec<_>, Vec<_>) = replies
            .into_iter()
            .filter(|(waiter, _)| self.waiters.contains_key(waiter))
            .partition(|(_, reply)| reply.precedes_commit());
        for (waiter, reply) in early {
            self.answer(waiter, reply);
        }
        if !rows.is_empty() || !events.is_empty() || !effects.is_empty() || !late.is_empty() {
            self.staged.add(rows, events, Instant::now());
            self.staged.follow.effects.extend(effects);
            self.staged.follow.replies.extend(late);
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.staged);
        if batch.is_unwritten() {
            return self.follow(batch.follow);
        }
        let Batch { rows, events, follow, .. } = batch;
        self.in_flight = Some(follow);
        if !self.writer.send(Work::Write { rows, events }) {
            self.fail("the writer's thread has ended", Suspended::StorageFailed);
        }
    }

    fn written(&mut self, result: Result<Vec<StoredEvent>, Unwritten>) {
        match result {
            Ok(events) => {
                self.recent.add(events);
                let follow = self.in_flight.take().unwrap_or_default();
                self.follow(follow);
            }
            Err(Unwritten { error, rows, last_event }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a batch was not committed");
                self.keep_ends(rows, last_event);
                // After a mistake of ours the database is being opened again already.
                if self.is_sound() {
                    self.fail("a batch was not committed", error.suspends());
                }
            }
        }
    }

    /// What a durable batch leads to: who is who and what happened, answers, then deeds.
    fn follow(&mut self, follow: Follow) {
        let Follow { replies, directory, last_event, effects } = follow;
        // An agent that was just told of its token uses it at once.
        if let Some(directory) = directory {
            self.directory.store(directory);
        }
        // Whoever was answered finds the event of it.
        if let Some(last_event) = last_event {
            self.last_event.send_replace(last_event);
        }
        for (waiter, reply) in replies {
            self.answer(waiter, reply);
        }
        for effect in effects {
            (self.effects)(effect);
        }
    }

    /// Sends a reply, if somebody waits for it. Grants that nobody gets to know of are taken back.
    fn answer(&mut self, waiter: Waiter, reply: Reply) {
        let Some(Waiting { reply: sender, unkeyed }) = self.waiters.remove(&waiter) else { return };
        if let Err(Ok(reply)) = sender.send(Ok(reply))
            && let Some(command) = take_back(&reply, unkeyed.as_ref())
        {
            self.tell(Caller::Server, command);
        }
    }

    /// Whoever waits for something to happen is told that it will not, here.
    fn release_waiters(&mut self) {
        for waiter in self.state.waiters() {
            self.tell(Caller::Server, Command::Leave(waiter));
            if let Some(waiting) = self.waiters.remove(&waiter) {
                refuse(waiting.reply, SubmitError::Closed);
            }
        }
    }

    /// Drops everything that is not known to be durable. What the writer has may yet turn out to be, and nobody can
    /// tell; of the rest, nothing was done.
    fn fail(&mut self, what: &'static str, why: Suspended) {
        tracing::error!(what, waiters = self.waiters.len(), "the coordinator starts again from the database");
        let staged = std::mem::take(&mut self.staged);
        self.keep_ends(staged.rows, None);
        let in_flight = self.in_flight.take().unwrap_or_default();
        let unknown: HashSet<Waiter> = in_flight.replies.into_iter().map(|(waiter, _)| waiter).collect();
        for (waiter, waiting) in self.waiters.drain() {
            let is_unknown = unknown.contains(&waiter);
            let error = if is_unknown { SubmitError::CommitUnknown } else { SubmitError::Suspended(why) };
            refuse(waiting.reply, error);
        }
        self.health = Health::Broken(Break::new(why));
    }

    /// Runs that ended have ended, though the batch that said so is lost: nobody will tell of it again.
    fn keep_ends(&mut self, rows: Vec<Row>, done_by: Option<EventSeq>) {
        let told = |record| Told { caller: Caller::Server, command: Command::EndRun(record), done_by };
        self.told.extend(rows.into_iter().filter_map(ended_run).map(told));
    }

    /// Whether commands can be accepted.
    const fn is_sound(&self) -> bool {
        matches!(self.health, Health::Sound)
    }

    /// Tries to open the database again, after a failure and then now and then.
    fn probe_if_due(&mut self) {
        let Health::Broken(broken) = &mut self.health else { return };
        if broken.probe_at.take_if(|at| *at <= Instant::now()).is_some() {
            let (last_run, last_reservation) = (self.state.last_run(), self.state.last_reservation());
            let profiles = self.state.profiles().clone();
            let again = Again { boot: self.boot, last_run, last_reservation, profiles };
            self.writer.send(Work::Reopen(again, self.clock.now()));
        }
    }

    fn reopened(&mut self, reopened: Reopened) {
        match reopened {
            Reopened::Works(state) => {
                self.directory.store(Arc::new(state.directory()));
                // What was not known to be durable may be, and has not been told.
                self.recent.begin_after(state.last_event());
                self.last_event.send_replace(state.last_event());
                self.staged.add_effects(state.unfinished_effects(), Instant::now());
                self.state = state;
                self.health = Health::Sound;
                tracing::info!("the database works again");
                let stored = self.state.last_event();
                for Told { caller, command, done_by } in std::mem::take(&mut self.told) {
                    if done_by.is_none_or(|event| event > stored) {
                        self.tell(caller, command);
                    }
                }
            }
            Reopened::Fails(error, stored) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the database still fails");
                self.go_on_failing(error.suspends(), stored);
            }
        }
    }

    /// Nothing can be changed until the next probe, at least. What is stored can be looked at, if it was read.
    fn go_on_failing(&mut self, why: Suspended, stored: Option<(State, Timestamp)>) {
        let Health::Broken(broken) = &mut self.health else { return };
        broken.why = why;
        broken.probe_at = Some(Instant::now() + broken.pause);
        broken.pause = LONGEST_PAUSE.min(broken.pause * 2);
        broken.stored_at = stored.as_ref().map(|(_, at)| *at);
        if let Some((state, _)) = stored {
            self.state = state;
        }
    }

    /// Randomness for one step: SplitMix64 (Steele, Lea and Flood, 2014).
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.random;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The agent that asks without a key, and so cannot ask again for what did not reach it.
pub(crate) const fn unkeyed<'a>(caller: &'a Caller, keyed: Option<&Keyed>) -> Option<&'a AgentName> {
    match caller {
        Caller::Agent(agent) if keyed.is_none() => Some(agent),
        Caller::Agent(_) | Caller::Operator | Caller::Server => None,
    }
}

/// What takes back the grants of a reply that did not reach its caller, if it has any and they cannot ask again.
pub(crate) fn take_back(reply: &Reply, unkeyed: Option<&AgentName>) -> Option<Command> {
    if let Reply::Commit(CommitReply::Reserved(reserved)) = reply {
        let why = Abort::Failed { detail: "its reservation could not be answered".into() };
        return Some(Command::Commit(CommitCommand::Abort(Undo::Reserved(reserved.reservation), why)));
    }
    let agent = unkeyed?;
    if let Reply::Lock(LockReply::Taken(taken)) = reply {
        return Some(Command::Lock(LockCommand::Release(taken.lock, taken.fence)));
    }
    let Reply::Task(TaskReply::Claimed(claimed)) = reply else { return None };
    let holds: Vec<Hold> = claimed.grants.iter().map(Grant::hold).collect();
    (!holds.is_empty()).then(|| Command::Task(TaskCommand::TakeBack(agent.clone(), holds)))
}

/// The record of a run that ended, if the row is one.
fn ended_run(row: Row) -> Option<Box<RunRecord>> {
    let Row::PutRun(record) = row else { return None };
    matches!(record.status, RunStatus::Ended { .. }).then_some(record)
}

/// Tells somebody that there will be no reply.
fn refuse(reply: ReplySender, error: SubmitError) {
    // They went away: nothing was done for them.
    let _ = reply.send(Err(error));
}
