//! The one door through which changes come into the project: reserve, prepare, intend, apply, answer, retire.

mod busy;
mod prepare;
mod publish;
mod retire;
mod stage;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out the directories that they then look at")]
pub(crate) mod tests;
mod whole;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

use longhouse_core::{
    Abort, AgentName, Author, Authorship, BootNumber, Change, Changes, CommitGate, CommitNumber,
    CommitRefusal, EntryName, GateError, Granted, Isolation, Operation, PathChange, ProjectPath, RedoList,
    Refusal, Reservation, ReservationId, Reserved, Timestamp, Undo, Unfinished, Version,
};

use crate::change_set::{Facts, Seen};
use crate::outside::Manifest;
use crate::publish::{Disk as _, Files, Place, Recovered, Stopped, apply, recover, touched};
use crate::scratch::Scratch;
use crate::{ChangeSet, Quota, Reader, Root, View, WorkspaceError};
use busy::Busy;
use prepare::Prepared;
use retire::Retirer;
pub(crate) use stage::be_like;
use whole::Renames;

/// Of how many agents it is remembered what they were served.
const READERS: usize = 1_024;

/// A change that is wished for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A file comes to hold this. Directories above it that are missing are made; a link at the path is followed.
    Write {
        /// Where.
        path: ProjectPath,
        /// What it holds.
        content: Vec<u8>,
        /// What lies there before.
        expected: Expected,
        /// Whether it can be executed; as before if `None`, and not if it is new.
        executable: Option<bool>,
    },
    /// What lies at the path goes, not what a link there leads to. A directory goes with all that is beneath it.
    Delete {
        /// Where.
        path: ProjectPath,
        /// What lies there before.
        expected: Expected,
    },
    /// What lies at a path, with all that is beneath it, comes to lie at another, in place of what `expected` says.
    Move {
        /// From where.
        from: ProjectPath,
        /// To where.
        to: ProjectPath,
        /// What lies there before.
        expected: Expected,
    },
    /// A directory is made, with those above it that are missing; if it is there, nothing is done.
    MakeDirectory {
        /// Where.
        path: ProjectPath,
    },
}

impl Wish {
    /// What lies there before, if the wish is about this path.
    pub fn expects_at(&self, at: &ProjectPath) -> Option<Expected> {
        match self {
            Self::Write { path, expected, .. }
            | Self::Delete { path, expected }
            | Self::Move { to: path, expected, .. } => (path == at).then_some(*expected),
            Self::MakeDirectory { path } => (path == at).then_some(Expected::Absent),
        }
    }
}

/// What a change is made in the belief of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing lies there.
    Absent,
    /// This lies there.
    Version(Version),
    /// Whatever lies there is replaced.
    Anything,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Which it is; `None` if all was so already.
    pub number: Option<CommitNumber>,
    /// What lies where now, in the order of the wishes: `None` where nothing does. Empty if the same request was carried
    /// out before.
    pub versions: Vec<(ProjectPath, Option<Version>)>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The coordinator does not let it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A path cannot be changed so.
    #[error("{path}")]
    Path {
        /// Which.
        path: ProjectPath,
        /// Why.
        #[source]
        source: WorkspaceError,
    },
    /// Something else lies there than was expected.
    #[error("{path} is not what it was expected to be")]
    Stale {
        /// Which.
        path: ProjectPath,
        /// What lies there.
        current: Option<Version>,
    },
    /// What a run's changes were made in the belief of is no longer so.
    #[error(
        "others changed {} of its paths since the run saw them; rebase it, or run it again, and it sees what is there now",
        conflicts.len()
    )]
    Conflicts {
        /// Which.
        conflicts: Vec<Conflict>,
    },
    /// Two of the wishes are about one path.
    #[error("{path} is changed twice in one request; say once what becomes of it")]
    Twice {
        /// Which.
        path: ProjectPath,
    },
    /// Somebody who does not ask the server changed the path at this very moment.
    #[error("{path} was changed by somebody outside at this very moment; look at it again")]
    Conflict {
        /// Which.
        path: ProjectPath,
    },
    /// The disk failed when it was half done: it is finished when the server begins again.
    #[error("the disk failed while the change was put in place")]
    Unknown(#[source] Stopped),
}

impl CommitError {
    /// Whether it may be done all the same, so that what is staged may be needed.
    pub const fn may_be_done(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Gate(GateError::CommitUnknown | GateError::Mismatch))
    }
}

/// A path that is not what it was when it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which.
    pub path: ProjectPath,
    /// What lies there.
    pub current: Option<Version>,
}

/// A project's directory with the coordinator that decides who may change it.
pub struct Workspace {
    root: Arc<Root>,
    files: Arc<Files>,
    gate: Arc<dyn CommitGate + Send + Sync>,
    retirer: Retirer,
    busy: Busy,
    renames: Renames,
    scratch: Scratch,
    /// What the journal says of the project, once it was looked at for the first time.
    pub(crate) manifest: Mutex<Option<Manifest>>,
    readers: Mutex<HashMap<AgentName, Arc<Reader>>>,
}

impl Workspace {
    /// Brings to an end what an earlier process left unfinished, and opens the door. Nobody else may serve the directory.
    ///
    /// # Errors
    /// When the private directory cannot be used, the coordinator does not answer, or the disk fails.
    pub fn open(root: Arc<Root>, gate: Arc<dyn CommitGate + Send + Sync>) -> Result<Self, CommitError> {
        let files = Files::open(Arc::clone(&root))
            .map_err(|source| CommitError::Path { path: ProjectPath::root(), source })?;
        let files = Arc::new(files);
        let scratch =
            Scratch::open(&root).map_err(|source| CommitError::Path { path: ProjectPath::root(), source })?;
        let retirer = Retirer::start(Arc::clone(&files), Arc::clone(&gate));
        let (busy, renames, manifest, readers) = Default::default();
        let workspace = Self { root, files, gate, retirer, busy, renames, scratch, manifest, readers };
        workspace.drop_what_nobody_needs()?;
        workspace.recover()?;
        Ok(workspace)
    }

    /// What was staged for requests that never got a number.
    fn drop_what_nobody_needs(&self) -> Result<(), CommitError> {
        let unfinished = self.gate.unfinished()?;
        let changes = unfinished.iter().flat_map(|unfinished| unfinished.commit.redo.changes());
        let needed = changes.filter_map(|change| match &change.operation {
            Operation::Put { staged } => Some(staged.as_str()),
            Operation::Remove | Operation::Move { .. } | Operation::Found => None,
        });
        self.files
            .drop_all_staged_but(&needed.collect())
            .map_err(|source| CommitError::Path { path: ProjectPath::root(), source })
    }

    /// Brings to an end what an earlier state of the coordinator left unfinished. What this process is at work on it
    /// leaves alone, and looks again when that is over.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn recover(&self) -> Result<(), CommitError> {
        loop {
            let (ours, left): (Vec<_>, Vec<_>) =
                self.gate.unfinished()?.into_iter().partition(|it| self.busy.has(it.commit.reservation));
            self.finish(left);
            match ours.first() {
                Some(unfinished) => self.busy.wait_for(unfinished.commit.reservation),
                None => return Ok(()),
            }
        }
    }

    /// What the disk does not do stays unfinished, and its paths stay reserved, until somebody mends the disk and the server
    /// begins again.
    fn finish(&self, unfinished: Vec<Unfinished>) {
        let Recovered { finished, external, stopped } = recover(&*self.files, &unfinished);
        if let Some(stopped) = stopped {
            let cause = std::error::Error::source(&stopped).map(ToString::to_string);
            tracing::error!(%stopped, cause, "changes to files could not be finished; their paths stay reserved");
        }
        for external in external {
            tracing::warn!(
                ?external,
                "somebody outside changed a path before a commit was put in place there"
            );
            let Some(staged) = external.staged else { continue };
            // What the commit would have put there is not lost either, nor what they wrote something over.
            match self.files.rename(&Place::Staged(staged.clone()), &Place::Kept(staged)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::error!(%error, "it could not be moved to the history");
                }
                Ok(()) | Err(_) => {}
            }
        }
        for unfinished in unfinished.into_iter().take(finished) {
            self.gate.published(unfinished.commit.number);
            self.retirer.retire(&unfinished.commit.redo, unfinished.commit.number);
        }
    }

    /// Makes all these changes at once, or none of them. Waits until `wait_until` for others who change the same paths.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn commit(
        &self,
        view: &View,
        author: Authorship,
        wishes: &[Wish],
        wait_until: Option<Timestamp>,
    ) -> Result<Committed, CommitError> {
        let targets = prepare::resolve(view, wishes)?;
        let paths = Reservation::new(prepare::changes(&targets)).map_err(GateError::from)?;
        let committed = self
            .carry_out(author, &paths, wait_until, |reserved| self.prepare(view, wishes, &paths, reserved));
        committed.map_err(|(error, staged)| {
            prepare::drop_staged(&self.files, &staged);
            error
        })
    }

    /// Drops what the history keeps under this name: it was kept long enough.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn forget(&self, kept: &EntryName) -> Result<(), WorkspaceError> {
        self.files.drop_kept(kept)
    }

    /// An empty set of changes for a run of this agent. `name` is one that no other set ever had: letters, digits and `-`.
    pub fn change_set(
        &self,
        name: String,
        quota: Quota,
        reader: &Arc<Reader>,
        isolation: Isolation,
    ) -> ChangeSet {
        ChangeSet::new(Arc::clone(&self.files), name, quota, Arc::clone(reader), isolation)
    }

    /// What this agent was last served.
    pub fn reader(&self, agent: &AgentName) -> Arc<Reader> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= READERS && !readers.contains_key(agent) {
            // Forgotten are those that nobody is at work for: at worst they are warned once more than needed.
            readers.retain(|_, reader| Arc::strong_count(reader) > 1);
        }
        Arc::clone(readers.entry(agent.clone()).or_default())
    }

    /// Whether it is news to its agent that this version lies at `path`, or nothing: it was last served something else there.
    pub fn is_news_to(&self, reader: &Reader, path: &ProjectPath, version: Option<Version>) -> bool {
        match reader.last_served(path) {
            None => false,
            Some(Seen::Nothing) => version.is_some(),
            Some(Seen::Version(served)) => version != Some(served),
            Some(Seen::Facts(served)) => self.files.stat(path).is_none_or(|stat| Facts::of(&stat) != served),
        }
    }

    /// What a set would do, in the order in which it is done.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn outline(&self, set: &ChangeSet) -> Result<Vec<PathChange>, WorkspaceError> {
        Ok(set.plan(&self.root)?.outline())
    }

    /// What is in the way of a set now: what it was made in the belief of and is so no more.
    ///
    /// # Errors
    /// When the view may not do what the set does, or the disk fails.
    pub(crate) fn conflicts(&self, view: &View, set: &ChangeSet) -> Result<Vec<Conflict>, CommitError> {
        let at_root = |source| CommitError::Path { path: ProjectPath::root(), source };
        let plan = set.plan(&self.root).map_err(at_root)?;
        // Nothing is reserved, and nothing is done: the names that this gives to what would be are not used.
        let nobody = ReservationId { boot: BootNumber(0), number: 0 };
        match publish::prepare(view, &self.files, &plan, nobody) {
            Ok(_) => Ok(Vec::new()),
            Err(CommitError::Conflicts { conflicts }) => Ok(conflicts),
            Err(error) => Err(error),
        }
    }

    /// Makes all changes of a set at once, or none of them. `view` is the project as the author may see it now. Waits until
    /// `wait_until` for others who change the same paths. The set is the author's still if nothing was changed.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn publish(
        &self,
        view: &View,
        author: Authorship,
        set: &ChangeSet,
        wait_until: Option<Timestamp>,
    ) -> Result<Committed, CommitError> {
        let at_root = |source| CommitError::Path { path: ProjectPath::root(), source };
        let plan = set.plan(&self.root).map_err(at_root)?;
        if plan.steps.is_empty() {
            return Ok(Committed { number: None, versions: Vec::new() });
        }
        let paths = Reservation::with_reads(plan.changes(), plan.reads()).map_err(GateError::from)?;
        plan.settle(&self.files).map_err(at_root)?;
        plan.give();
        let reader = self.reader(&author.agent);
        let published = self.carry_out(author, &paths, wait_until, |reserved| {
            publish::prepare(view, &self.files, &plan, reserved.reservation)
        });
        if let Err((CommitError::Conflicts { conflicts }, _)) = &published {
            // It is told of these, and there is no more to know of what is gone.
            let gone = conflicts.iter().filter(|conflict| conflict.current.is_none());
            gone.for_each(|conflict| reader.gone(conflict.path.clone()));
        }
        match published {
            // What was put in place is under its staged name no more, and what was as it should be already can go.
            Ok(committed) => {
                plan.take_back();
                Ok(committed)
            }
            Err((error, _)) => {
                if !error.may_be_done() {
                    plan.take_back();
                }
                Err(error)
            }
        }
    }

    /// The commit that carried out the same request before, if one did and the request has a key. `path` is one that it
    /// is about.
    ///
    /// # Errors
    /// When the coordinator does not let it be asked.
    pub fn done_before(
        &self,
        author: &Authorship,
        path: ProjectPath,
    ) -> Result<Option<CommitNumber>, CommitError> {
        if author.keyed.is_none() {
            return Ok(None);
        }
        let paths = Reservation::new(Changes { entries: vec![path], subtrees: Vec::new() });
        let author = Author::Agent(author.clone());
        match self.gate.reserve(&paths.map_err(GateError::from)?, &author, None) {
            Ok(Granted::Committed(number)) => Ok(Some(number)),
            Ok(Granted::Reserved(reserved)) => {
                self.give_back(reserved, "it was only asked for");
                Ok(None)
            }
            Err(
                error @ GateError::Refused(Refusal::KeyReused | Refusal::Commit(CommitRefusal::StillRunning)),
            ) => Err(error.into()),
            // What else is in the way may not be when it is done.
            Err(_) => Ok(None),
        }
    }

    /// Everything from the reservation on. With an error comes what is still staged, and nobody needs.
    fn carry_out(
        &self,
        author: Authorship,
        paths: &Reservation,
        wait_until: Option<Timestamp>,
        prepare: impl FnOnce(Reserved) -> Result<Prepared, CommitError>,
    ) -> Result<Committed, (CommitError, Vec<Change>)> {
        let plain = |error: CommitError| (error, Vec::new());
        let reader = self.reader(&author.agent);
        let granted = self.gate.reserve(paths, &Author::Agent(author), wait_until);
        let reserved = match granted.map_err(|error| plain(error.into()))? {
            Granted::Reserved(reserved) => reserved,
            Granted::Committed(number) => {
                return Ok(Committed { number: Some(number), versions: Vec::new() });
            }
        };
        let Prepared { changes, versions } = match prepare(reserved) {
            Ok(prepared) if prepared.changes.is_empty() => {
                self.give_back(reserved, "all is so already");
                prepared.versions.iter().for_each(|(path, version)| reader.served(path.clone(), *version));
                return Ok(Committed { number: None, versions: prepared.versions });
            }
            Ok(prepared) => prepared,
            Err(error) => {
                self.give_back(reserved, &error.to_string());
                return Err(plain(error));
            }
        };
        let _busy = self.busy.begin(reserved.reservation);
        let intended = RedoList::new(changes.clone()).map_err(GateError::from).and_then(|redo| {
            let number = self.gate.intent(reserved.reservation, &redo)?;
            Ok((number, redo))
        });
        let (number, redo) = match intended {
            Ok(intended) => intended,
            // What is staged may be needed: it has a number, or not.
            Err(error @ (GateError::CommitUnknown | GateError::Mismatch)) => return Err(plain(error.into())),
            Err(error) => {
                self.give_back(reserved, &error.to_string());
                return Err((error.into(), changes));
            }
        };
        match self.put_in_place(number, &redo) {
            Ok(()) => {
                tell(&reader, &redo, &versions);
                Ok(Committed { number: Some(number), versions })
            }
            Err(error) if error.may_be_done() => Err(plain(error)),
            Err(error) => Err((error, changes)),
        }
    }

    /// Lets others have the paths of a set that comes to nothing.
    fn give_back(&self, reserved: Reserved, why: &str) {
        self.gate.abort(Undo::Reserved(reserved.reservation), Abort::Refused { detail: why.into() });
    }

    /// Looks at everything again, now that nobody else changes it through the server, and stages what is new.
    fn prepare(
        &self,
        view: &View,
        wishes: &[Wish],
        paths: &Reservation,
        reserved: Reserved,
    ) -> Result<Prepared, CommitError> {
        let targets = prepare::resolve(view, wishes)?;
        if Reservation::new(prepare::changes(&targets)).map_err(GateError::from)? != *paths {
            let path = targets.into_iter().next().map(|target| target.path).unwrap_or_default();
            return Err(CommitError::Path { path, source: WorkspaceError::Unstable });
        }
        prepare::prepare(view, &self.files, targets, wishes, reserved.reservation)
    }

    fn put_in_place(&self, number: CommitNumber, redo: &RedoList) -> Result<(), CommitError> {
        match self.renames.make(redo, || apply(&*self.files, redo)) {
            Ok(()) => {
                self.gate.published(number);
                self.retirer.retire(redo, number);
                Ok(())
            }
            Err(Stopped::Conflict { path }) => {
                self.give_up(number, redo, Abort::Conflict { path: path.clone() })?;
                Err(CommitError::Conflict { path })
            }
            Err(Stopped::Failed { path, source }) => {
                self.give_up(number, redo, Abort::Failed { detail: source.to_string().into() })?;
                Err(CommitError::Path { path, source: WorkspaceError::Io(source) })
            }
            Err(stopped @ Stopped::HalfDone { .. }) => Err(CommitError::Unknown(stopped)),
        }
    }

    /// Nothing of a commit is in place any more. Nobody looks at it again once that is recorded: what was taken back has to
    /// be safe.
    fn give_up(&self, number: CommitNumber, redo: &RedoList, why: Abort) -> Result<(), CommitError> {
        let mut directories = touched(redo);
        // Whatever is somebody else's went to the history.
        directories.extend(redo.changes().iter().filter_map(|change| match &change.operation {
            Operation::Put { staged } => Some(Place::Kept(staged.clone())),
            Operation::Remove | Operation::Move { .. } | Operation::Found => None,
        }));
        self.files.sync(&directories).map_err(|source| {
            CommitError::Unknown(Stopped::HalfDone { path: ProjectPath::root(), source })
        })?;
        self.gate.abort(Undo::Intended(number), why);
        Ok(())
    }

    pub(crate) fn gate(&self) -> &dyn CommitGate {
        &*self.gate
    }

    pub(crate) const fn scratch_root(&self) -> &Scratch {
        &self.scratch
    }

    pub(crate) const fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// The directory itself.
    pub const fn root(&self) -> &Arc<Root> {
        &self.root
    }
}

/// What an agent changed, it knows.
fn tell(reader: &Reader, redo: &RedoList, versions: &[(ProjectPath, Option<Version>)]) {
    for change in redo.changes() {
        match &change.operation {
            Operation::Remove => reader.gone(change.path.clone()),
            Operation::Move { from } => reader.gone(from.clone()),
            Operation::Put { .. } | Operation::Found => {}
        }
    }
    versions.iter().for_each(|(path, version)| reader.served(path.clone(), *version));
}
