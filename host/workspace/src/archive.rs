//! What a view shows as a tar stream.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};

use longhouse_core::{Change, CommitNumber, CommitStatus, Operation, ProjectPath, Verb};
use tar::{Builder, EntryType, Header};

use crate::{CommitError, Entry, Follow, Kind, Stat, View, Workspace, WorkspaceError};

/// So many commits are read of the journal at once.
const COMMITS: u32 = 256;

/// In front of the name of what is gone, as the layers of OCI images have it (image-spec, "Whiteouts").
const WHITEOUT: &str = ".wh.";

/// The name that says that nothing of a directory stays which is not in the archive.
const OPAQUE: &str = ".wh..wh..opq";

/// Which paths an archive has, and how much of each.
#[derive(Debug, Clone, Default)]
pub struct Wanted(BTreeMap<ProjectPath, Much>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Much {
    /// Without what is beneath.
    Itself,
    /// With all that is beneath.
    Whole,
    /// The same, and what was beneath before is not there any more.
    Anew,
}

impl Wanted {
    /// This path, and all that is beneath it.
    pub fn all_of(path: ProjectPath) -> Self {
        Self(BTreeMap::from([(path, Much::Whole)]))
    }

    fn add(&mut self, change: Change) {
        let much = match change.operation {
            Operation::Move { from } => {
                self.0.insert(from, Much::Anew);
                Much::Whole
            }
            Operation::Put { .. } | Operation::Found if change.new.is_some() => Much::Itself,
            Operation::Put { .. } | Operation::Found | Operation::Remove => Much::Anew,
        };
        let wanted = self.0.entry(change.path).or_insert(much);
        *wanted = much.max(*wanted);
    }
}

impl Workspace {
    /// The last commit that is in place like all before it.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn in_place(&self) -> Result<CommitNumber, CommitError> {
        let last = self.gate().last_commit()?;
        let unfinished = self.gate().unfinished()?;
        let under_way = unfinished.iter().filter(|it| !it.is_published).map(|it| it.commit.number.0);
        Ok(under_way.min().map_or(last, |first| last.min(CommitNumber(first.saturating_sub(1)))))
    }

    /// What was changed after this commit, of what is `beneath` a path.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn changed_since(
        &self,
        mut after: CommitNumber,
        beneath: &ProjectPath,
    ) -> Result<Wanted, CommitError> {
        let mut wanted = Wanted::default();
        loop {
            let commits = self.gate().journal(after, COMMITS)?;
            let Some(last) = commits.last() else { break };
            after = last.number;
            let done = commits.into_iter().filter(|commit| commit.status != CommitStatus::Aborted);
            done.flat_map(|commit| commit.changes).for_each(|change| wanted.add(change));
        }
        if wanted.0.keys().any(|path| path.is_above(beneath)) {
            return Ok(Wanted(BTreeMap::from([(beneath.clone(), Much::Anew)])));
        }
        wanted.0.retain(|path, _| path == beneath || beneath.is_above(path));
        Ok(wanted)
    }
}

impl View {
    /// Writes what is wanted and may be read as a tar stream; where something wanted is not there any more, a whiteout. Each
    /// file is as it was at one moment.
    ///
    /// # Errors
    /// When it cannot be written, or the disk fails.
    pub fn archive(&self, wanted: &Wanted, out: impl Write) -> io::Result<()> {
        let mut tar = Builder::new(out);
        for (path, much) in &wanted.0 {
            if !self.grants.show(path) && !self.grants.show_directory(path) {
                continue;
            }
            match self.stat(path, Follow::No) {
                Ok(stat) => self.add(&mut tar, Entry { path: path.clone(), stat }, *much)?,
                Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory) => {
                    self.add_gone(&mut tar, path)?
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        tar.into_inner().and_then(|mut out| out.flush())
    }

    fn add(&self, tar: &mut Builder<impl Write>, entry: Entry, much: Much) -> io::Result<()> {
        if much == Much::Anew && entry.stat.is_directory() {
            add_empty(tar, &entry.path, OPAQUE)?;
        }
        let mut left = vec![entry];
        while let Some(Entry { path, stat }) = left.pop() {
            match stat.kind {
                Kind::Directory => {
                    if !path.is_root() {
                        let mut header = header(EntryType::Directory, &stat);
                        tar.append_data(&mut header, format!("{path}/"), io::empty())?;
                    }
                    if much != Much::Itself {
                        // What goes while it is read is not there.
                        left.extend(self.entries(&path).unwrap_or_default().into_iter().rev());
                    }
                }
                Kind::File => self.add_file(tar, &path)?,
                Kind::Link => match self.read_link(&path) {
                    Ok(target) if self.grants(Verb::Read, &path) => {
                        tar.append_link(&mut header(EntryType::Symlink, &stat), path.as_str(), target)?;
                    }
                    Ok(_) | Err(_) => {}
                },
            }
        }
        Ok(())
    }

    fn add_file(&self, tar: &mut Builder<impl Write>, path: &ProjectPath) -> io::Result<()> {
        // What may not be read, or is gone by now, is left out.
        if !self.grants(Verb::Read, path) {
            return Ok(());
        }
        let Ok(opened) = self.read_file(path) else { return Ok(()) };
        // As long as it was, should somebody outside cut it meanwhile: the next entry begins where this one says.
        let content = opened.file.chain(io::repeat(0)).take(opened.stat.size);
        tar.append_data(&mut header(EntryType::Regular, &opened.stat), path.as_str(), content)
    }

    /// Says that nothing is there any more, to those who might have known that something was.
    fn add_gone(&self, tar: &mut Builder<impl Write>, path: &ProjectPath) -> io::Result<()> {
        let Some((parent, name)) = path.split_last().filter(|_| self.grants(Verb::Read, path)) else {
            return Ok(());
        };
        add_empty(tar, &parent, &format!("{WHITEOUT}{name}"))
    }
}

/// Adds a file that says something by its name.
fn add_empty(tar: &mut Builder<impl Write>, directory: &ProjectPath, name: &str) -> io::Result<()> {
    // One that is too long for a path stands for what is, too.
    let Ok(path) = directory.join(name) else { return Ok(()) };
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(0);
    tar.append_data(&mut header, path.as_str(), io::empty())
}

fn header(kind: EntryType, stat: &Stat) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if stat.executable || stat.is_directory() { 0o755 } else { 0o644 });
    header.set_size(if kind == EntryType::Regular { stat.size } else { 0 });
    header.set_mtime(stat.modified_ms() / 1_000);
    header
}
