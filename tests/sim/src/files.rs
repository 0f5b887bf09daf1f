//! Files, and whoever changes them through the coordinator: it forgets everything in a crash, the disk does not.

mod checks;

use std::collections::BTreeMap;

use anyhow::ensure;
use longhouse_core::{
    Abort, Author, Authorship, Caller, Change, Changes, Command, CommitCommand, CommitNumber, CommitReply,
    EntryKind, Keyed, Operation, ProjectPath, RedoList, Reply, Reservation, ReservationId, ReserveRequest,
    Timestamp, Under, Undo, Unfinished, Version, Waiter,
};

use crate::agent::Agent;
use crate::random::Random;
use crate::server::Server;
pub use checks::FileChecks;

/// So many change sets are under way at most.
const SETS: usize = 4;

/// The project directory, and the change sets that are on their way to it.
#[derive(Default)]
pub struct Files {
    disk: BTreeMap<ProjectPath, Version>,
    sets: Vec<Set>,
    /// Who waits for which set's answer, and to what.
    open: BTreeMap<Waiter, (u64, Command)>,
    last_set: u64,
}

struct Set {
    number: u64,
    author: Authorship,
    paths: Vec<ProjectPath>,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Its paths are to be asked for: it is new, or the server began anew before it was told what became of it.
    New,
    /// Its paths were asked for.
    Asking,
    Reserved(ReservationId),
    /// It asked for its number.
    Intending(RedoList),
    /// So many of its changes are in place.
    Intended(CommitNumber, RedoList, usize),
    /// All of them are.
    Published(CommitNumber),
}

impl Files {
    /// What is asked next about one of the sets, if anything. What is to be done to the disk is done.
    pub fn next(
        &mut self,
        random: &mut Random,
        now: Timestamp,
        agents: &[Agent],
        draining: bool,
    ) -> anyhow::Result<Option<(u64, Command)>> {
        if draining {
            self.sets.retain(|set| !matches!(set.stage, Stage::New));
        } else if self.sets.len() < SETS && random.permille(300) {
            let another = self.another(random, agents);
            self.sets.extend(another);
        }
        if self.sets.is_empty() {
            return Ok(None);
        }
        let mut set = self.sets.swap_remove(random.below(self.sets.len()));
        let number = set.number;
        let (stage, command) = match set.stage {
            Stage::New => (Some(Stage::Asking), Some(reserve(&set, random, now))),
            // Its client may have given up and come again.
            Stage::Asking => {
                let again = !draining && random.permille(30);
                (Some(Stage::Asking), again.then(|| reserve(&set, random, now)))
            }
            Stage::Reserved(id) => match random.below(100) {
                0..10 => (Some(Stage::Reserved(id)), Some(CommitCommand::Renew(id))),
                10..15 => (None, Some(CommitCommand::Abort(Undo::Reserved(id), nonsense()))),
                _ => {
                    let redo = self.redo(&set, id, random)?;
                    (Some(Stage::Intending(redo.clone())), Some(CommitCommand::Intend(id, redo)))
                }
            },
            Stage::Intending(redo) => (Some(Stage::Intending(redo)), None),
            Stage::Intended(commit, redo, done) => match redo.changes().get(done) {
                Some(_) if done == 0 && random.permille(50) => {
                    (None, Some(CommitCommand::Abort(Undo::Intended(commit), nonsense())))
                }
                Some(change) => {
                    let lies = self.disk.get(&change.path).copied();
                    ensure!(lies == change.base, "{} is changed in between: {lies:?}", change.path);
                    self.put(&change.path, change.new);
                    (Some(Stage::Intended(commit, redo, done + 1)), None)
                }
                None => (Some(Stage::Published(commit)), Some(CommitCommand::Publish(commit))),
            },
            Stage::Published(commit) => (None, Some(CommitCommand::Retire(vec![commit]))),
        };
        if let Some(stage) = stage {
            set.stage = stage;
            self.sets.push(set);
        }
        Ok(command.map(|command| (number, Command::Commit(command))))
    }

    /// The server was asked this for a set.
    pub fn asked(&mut self, waiter: Waiter, set: u64, command: Command) {
        self.open.insert(waiter, (set, command));
    }

    /// Takes in an answer, if it is about a set. Returns to what.
    pub fn learn(&mut self, waiter: Waiter, reply: &Reply) -> Option<Command> {
        let (number, command) = self.open.remove(&waiter)?;
        if let Some(index) = self.sets.iter().position(|set| set.number == number) {
            self.go_on(index, &command, reply);
        }
        Some(command)
    }

    /// The answer to an earlier request that was repeated says nothing.
    fn go_on(&mut self, index: usize, command: &Command, reply: &Reply) {
        let is_intend = matches!(command, Command::Commit(CommitCommand::Intend(..)));
        let stage = match (&self.sets[index].stage, reply) {
            (Stage::Asking, Reply::Commit(CommitReply::Reserved(it))) => Stage::Reserved(it.reservation),
            (Stage::Intending(redo), Reply::Commit(CommitReply::Intended(it))) => {
                Stage::Intended(*it, redo.clone(), 0)
            }
            (Stage::Asking, Reply::Commit(CommitReply::Committed(_)))
            | (Stage::Asking, Reply::Refused(_)) => {
                self.sets.swap_remove(index);
                return;
            }
            (Stage::Intending(_), Reply::Refused(_)) if is_intend => {
                self.sets.swap_remove(index);
                return;
            }
            (_, _) => return,
        };
        self.sets[index].stage = stage;
    }

    /// The server began anew, and a loss of power may have taken back whatever was not finished: that is done again, or
    /// undone.
    pub fn restarted(
        &mut self,
        checks: &FileChecks,
        server: &mut Server,
        random: &mut Random,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        self.open.clear();
        self.sets.iter_mut().for_each(|set| set.stage = Stage::New);
        let unfinished = ask(server, CommitCommand::Unfinished, now)?;
        let Reply::Commit(CommitReply::Unfinished(unfinished)) = unfinished else {
            anyhow::bail!("{unfinished:?}")
        };
        checks.restarted(&unfinished)?;
        self.lose_power(&unfinished, random);
        for Unfinished { commit, is_published } in &unfinished {
            for change in commit.redo.changes() {
                self.put(&change.path, change.new);
            }
            ensure!(*is_published || checks.is_last(commit), "{} and a later one meet", commit.number);
        }
        checks.agrees_with(&self.disk)?;
        for Unfinished { commit, is_published } in &unfinished {
            let commands = if !is_published && random.permille(300) {
                commit.redo.changes().iter().for_each(|change| self.put(&change.path, change.base));
                let why = Abort::Conflict { path: commit.redo.changes()[0].path.clone() };
                vec![CommitCommand::Abort(Undo::Intended(commit.number), why)]
            } else {
                vec![CommitCommand::Publish(commit.number), CommitCommand::Retire(vec![commit.number])]
            };
            for command in commands {
                let said = format!("{command:?}");
                ensure!(ask(server, command, now)? == Reply::Done, "{said} was refused");
            }
        }
        Ok(())
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.sets.is_empty()
    }

    pub const fn disk(&self) -> &BTreeMap<ProjectPath, Version> {
        &self.disk
    }

    fn another(&mut self, random: &mut Random, agents: &[Agent]) -> Option<Set> {
        const PATHS: [&str; 6] = ["src/api/a.rs", "src/api/b.rs", "src/lib.rs", "docs/a.md", "a.md", "b.md"];
        let agent = random.pick(agents)?;
        let first = random.below(PATHS.len());
        let paths = PATHS[first..].iter().step_by(1 + random.below(3)).take(1 + random.below(3));
        let under = match (random.below(3), random.pick(&agent.holds)) {
            (0, Some(hold)) => Under::Lease(*hold),
            (1, _) => Under::TheOnlyLease,
            (_, _) => Under::NoLease,
        };
        let locks = random.pick(&agent.locks).copied().filter(|_| random.permille(300)).into_iter().collect();
        self.last_set += 1;
        let number = self.last_set;
        let key = format!("change-{number}").parse().expect("a key");
        let keyed = Some(Keyed { key, hash: number });
        let author = Authorship { agent: agent.name.clone(), under, run: None, locks, keyed };
        let paths = paths.map(|path| path.parse().expect("a path")).collect();
        Some(Set { number, author, paths, stage: Stage::New })
    }

    /// A change of every path, from what lies there.
    fn redo(&self, set: &Set, id: ReservationId, random: &mut Random) -> anyhow::Result<RedoList> {
        let change = |(index, path): (usize, &ProjectPath)| {
            let base = self.disk.get(path).copied();
            let removed = base.is_some() && random.permille(200);
            let operation = if removed {
                Operation::Remove
            } else {
                Operation::Put { staged: format!("{}.{index}", set.number).parse()? }
            };
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&set.number.to_le_bytes());
            hash[8..16].copy_from_slice(&id.number.to_le_bytes());
            let new = (!removed).then_some(Version { kind: EntryKind::File, hash });
            let history = base.map(|_| format!("h{}.{index}", set.number).parse()).transpose()?;
            Ok(Change { path: path.clone(), operation, base, new, history })
        };
        let changes = set.paths.iter().enumerate().map(change).collect::<anyhow::Result<_>>()?;
        Ok(RedoList::new(changes)?)
    }

    fn put(&mut self, path: &ProjectPath, version: Option<Version>) {
        match version {
            Some(version) => self.disk.insert(path.clone(), version),
            None => self.disk.remove(path),
        };
    }

    /// Takes back what was not finished, of some paths: their first change is the last to be undone.
    fn lose_power(&mut self, unfinished: &[Unfinished], random: &mut Random) {
        let lost: Vec<&Change> = unfinished
            .iter()
            .flat_map(|unfinished| unfinished.commit.redo.changes())
            .filter(|_| random.permille(500))
            .collect();
        lost.iter().rev().for_each(|change| self.put(&change.path, change.base));
    }
}

fn reserve(set: &Set, random: &mut Random, now: Timestamp) -> CommitCommand {
    let changes = Changes { entries: set.paths.clone(), subtrees: vec![] };
    let paths = Reservation::new(changes).expect("a few paths");
    let wait_until = random.permille(500).then(|| now.plus_millis(random.below(20_000) as u64));
    CommitCommand::Reserve(ReserveRequest { paths, author: Author::Agent(set.author.clone()), wait_until })
}

fn nonsense() -> Abort {
    Abort::Refused { detail: "it makes no sense".into() }
}

fn ask(server: &mut Server, command: CommitCommand, now: Timestamp) -> anyhow::Result<Reply> {
    server.ask_as(Caller::Server, Command::Commit(command), now)
}
