//! What must hold of changes to files, seen from outside.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use longhouse_core::{
    AgentName, Author, Commit, CommitCommand, CommitNumber, CommitReply, Hold, Key, PathPattern, ProjectPath,
    RedoList, Reply, ReservationId, Undo, Unfinished, Version,
};

/// What the answers so far promise.
#[derive(Default)]
pub struct FileChecks {
    /// Whose each reservation is, under which lease, and for which request.
    reserved: BTreeMap<ReservationId, Reserved>,
    commits: BTreeMap<CommitNumber, Numbered>,
    /// Which commit carries out which request.
    by_key: BTreeMap<Key, CommitNumber>,
    /// What each path is to hold when everything that has a number is in place.
    truth: BTreeMap<ProjectPath, Version>,
    /// Commits that somebody was told to be done, in the batch at hand.
    told: Vec<CommitNumber>,
}

/// What a set that has its paths stands on.
#[derive(Debug, Clone)]
pub struct Reserved {
    pub agent: AgentName,
    pub task: Option<Hold>,
    key: Key,
}

struct Numbered {
    redo: RedoList,
    key: Key,
    stands: Stands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Intended,
    Published,
    Synced,
    Aborted,
}

impl FileChecks {
    /// An answer is durable: it must agree with all before. What a set that got its number stands on, and the paths it
    /// changes.
    pub fn committed(
        &mut self,
        command: &CommitCommand,
        reply: &Reply,
    ) -> anyhow::Result<Option<(Reserved, Vec<PathPattern>)>> {
        match (command, reply) {
            (CommitCommand::Reserve(request), Reply::Commit(CommitReply::Reserved(reserved))) => {
                let Author::Agent(author) = &request.author else { bail!("nobody asks that here") };
                let key = author.keyed.as_ref().context("a set without a key")?.key.clone();
                ensure!(!self.by_key.contains_key(&key), "{key} was carried out, and gets its paths again");
                let kept = Reserved { agent: author.agent.clone(), task: reserved.task, key };
                let before = self.reserved.insert(reserved.reservation, kept);
                ensure!(before.is_none(), "{} was given twice", reserved.reservation);
            }
            (CommitCommand::Reserve(request), Reply::Commit(CommitReply::Committed(number))) => {
                let Author::Agent(author) = &request.author else { bail!("nobody asks that here") };
                let key = &author.keyed.as_ref().context("a set without a key")?.key;
                ensure!(self.by_key.get(key) == Some(number), "{key} was not carried out by {number}");
                self.told.push(*number);
            }
            (CommitCommand::Intend(id, redo), Reply::Commit(CommitReply::Intended(number))) => {
                return self.numbered(*id, redo, *number).map(Some);
            }
            (CommitCommand::Publish(number), Reply::Done) => self.now_stands(*number, Stands::Published)?,
            (CommitCommand::Retire(numbers), Reply::Done) => {
                for number in numbers {
                    self.now_stands(*number, Stands::Synced)?;
                }
            }
            (CommitCommand::Abort(Undo::Intended(number), _), Reply::Done) => self.undone(*number)?,
            (CommitCommand::Abort(Undo::Reserved(_), _), Reply::Done)
            | (CommitCommand::Renew(_), Reply::Commit(CommitReply::Reserved(_)))
            | (CommitCommand::Unfinished, Reply::Commit(CommitReply::Unfinished(_))) => {}
            (command, reply) => bail!("{command:?} was answered {reply:?}"),
        }
        Ok(None)
    }

    /// A batch is complete: what was told in it holds now, in whatever order its answers came.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        for number in std::mem::take(&mut self.told) {
            let stands = self.stands(number)?;
            let done = matches!(stands, Stands::Published | Stands::Synced);
            ensure!(done, "{number} is {stands:?}, and was told to be done");
        }
        Ok(())
    }

    /// A server that began anew knows what is unfinished, no more and no less.
    pub fn restarted(&self, unfinished: &[Unfinished]) -> anyhow::Result<()> {
        let is_over = |stands| matches!(stands, Stands::Synced | Stands::Aborted);
        let first_open = self.commits.iter().find(|(_, commit)| !is_over(commit.stands));
        let Some((first_open, _)) = first_open else {
            ensure!(unfinished.is_empty(), "everything is finished, and not {unfinished:?}");
            return Ok(());
        };
        let open = self.commits.range(*first_open..).filter(|(_, commit)| commit.stands != Stands::Aborted);
        let open: Vec<_> =
            open.map(|(number, commit)| (*number, commit.stands != Stands::Intended)).collect();
        let told: Vec<_> = unfinished.iter().map(|it| (it.commit.number, it.is_published)).collect();
        ensure!(told == open, "{open:?} are unfinished, and not {told:?}");
        for Unfinished { commit, .. } in unfinished {
            ensure!(commit.redo == self.commits[&commit.number].redo, "{} is another", commit.number);
        }
        Ok(())
    }

    /// Whether no commit with a later number changes one of its paths.
    pub fn is_last(&self, commit: &Commit) -> bool {
        commit.redo.changes().iter().all(|change| self.truth.get(&change.path).copied() == change.new)
    }

    /// The disk holds what it is to hold.
    pub fn agrees_with(&self, disk: &BTreeMap<ProjectPath, Version>) -> anyhow::Result<()> {
        ensure!(*disk == self.truth, "{disk:?} is on the disk, and not {:?}", self.truth);
        Ok(())
    }

    fn numbered(
        &mut self,
        id: ReservationId,
        redo: &RedoList,
        number: CommitNumber,
    ) -> anyhow::Result<(Reserved, Vec<PathPattern>)> {
        let reserved = self.reserved.get(&id).with_context(|| format!("{id} was never given"))?.clone();
        let last = self.commits.last_key_value().map_or(0, |(last, _)| last.0);
        ensure!(number.0 == last + 1, "{number} came after {last}");
        let twice = self.by_key.insert(reserved.key.clone(), number);
        ensure!(twice.is_none(), "{} is carried out by {twice:?} and {number}", reserved.key);
        for change in redo.changes() {
            let before = self.truth.get(&change.path).copied();
            ensure!(before == change.base, "{number} loses {before:?} of {}", change.path);
            set(&mut self.truth, &change.path, change.new);
        }
        let paths = redo.paths().map(|path| path.as_str().parse()).collect::<Result<_, _>>()?;
        let numbered = Numbered { redo: redo.clone(), key: reserved.key.clone(), stands: Stands::Intended };
        self.commits.insert(number, numbered);
        Ok((reserved, paths))
    }

    fn undone(&mut self, number: CommitNumber) -> anyhow::Result<()> {
        ensure!(self.stands(number)? == Stands::Intended, "{number} was published, and is undone");
        let commit = self.commits.get_mut(&number).context("checked above")?;
        commit.stands = Stands::Aborted;
        for change in commit.redo.changes() {
            set(&mut self.truth, &change.path, change.base);
        }
        self.by_key.remove(&commit.key);
        Ok(())
    }

    fn stands(&self, number: CommitNumber) -> anyhow::Result<Stands> {
        Ok(self.commits.get(&number).with_context(|| format!("there is no {number}"))?.stands)
    }

    fn now_stands(&mut self, number: CommitNumber, stands: Stands) -> anyhow::Result<()> {
        let before = self.stands(number)?;
        ensure!(before != Stands::Aborted, "{number} was undone, and is {stands:?}");
        let commit = self.commits.get_mut(&number).context("checked above")?;
        if commit.stands != Stands::Synced {
            commit.stands = stands;
        }
        Ok(())
    }
}

fn set(paths: &mut BTreeMap<ProjectPath, Version>, path: &ProjectPath, version: Option<Version>) {
    match version {
        Some(version) => paths.insert(path.clone(), version),
        None => paths.remove(path),
    };
}
