//! What lies at which path, as far as the journal says.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use longhouse_core::{Change, CommitNumber, EntryKind, Operation, ProjectPath, Version};
use rustix::fs::{Mode, OFlags, fsync, openat, renameat};
use rustix::io::Errno;

use crate::change_set::Facts;
use crate::{Root, WorkspaceError};

/// Where it is kept, in the private directory.
const NAME: &str = "manifest";
const NEW_NAME: &str = "manifest.new";

/// What its text begins with.
const HEADER: &str = "longhouse manifest 1";

/// The files and links of a project, by path. Directories are implied.
///
/// It is the journal up to a commit, added up, and may be lost: what lies there is then taken for what should.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// The last commit that is in it.
    pub(super) through: CommitNumber,
    entries: BTreeMap<String, Known>,
    /// Whether it differs from what is kept.
    is_changed: bool,
}

/// What the journal says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) version: Version,
    /// With these facts it is that version, as far as it was looked at.
    pub(super) facts: Option<Facts>,
}

impl Manifest {
    pub(super) fn new(through: CommitNumber) -> Self {
        Self { through, entries: BTreeMap::new(), is_changed: true }
    }

    pub(super) fn get(&self, path: &ProjectPath) -> Option<&Known> {
        self.entries.get(path.as_str())
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What lies there is this, or nothing. Of the version that it is already, what is known of it stays known.
    pub(super) fn set(&mut self, path: &ProjectPath, version: Option<Version>) {
        self.is_changed = true;
        match version {
            Some(version) if version.kind != EntryKind::Directory => {
                let known = self.entries.entry(path.as_str().to_owned());
                let known = known.or_insert(Known { version, facts: None });
                if known.version != version {
                    *known = Known { version, facts: None };
                }
            }
            Some(_) => drop(self.entries.remove(path.as_str())),
            None => drop(self.take(path)),
        }
    }

    /// It was looked at, and has these facts.
    pub(super) fn looked(&mut self, path: &ProjectPath, facts: Option<Facts>) {
        if let Some(known) = self.entries.get_mut(path.as_str()) {
            known.facts = facts;
            self.is_changed = true;
        }
    }

    /// Adds a commit's changes.
    pub(super) fn add(&mut self, number: CommitNumber, changes: &[Change]) {
        for change in changes {
            match &change.operation {
                Operation::Put { .. } | Operation::Found | Operation::Remove => {
                    self.set(&change.path, change.new);
                }
                Operation::Move { from } => {
                    let moved = self.take(from);
                    self.take(&change.path);
                    let rest = |path: &str| path.get(from.as_str().len()..).unwrap_or_default().to_owned();
                    let moved = moved
                        .into_iter()
                        .map(|(path, known)| (format!("{}{}", change.path.as_str(), rest(&path)), known));
                    self.entries.extend(moved);
                    // Nothing was known of what somebody outside had put there.
                    self.set(&change.path, change.new);
                }
            }
        }
        self.through = self.through.max(number);
        self.is_changed = true;
    }

    /// Takes out a path and all that is beneath it.
    fn take(&mut self, path: &ProjectPath) -> Vec<(String, Known)> {
        let above = format!("{}/", path.as_str());
        let beneath = self.entries.range(above.clone()..).take_while(|(path, _)| path.starts_with(&above));
        let mut paths: Vec<String> = beneath.map(|(path, _)| path.clone()).collect();
        paths.push(path.as_str().to_owned());
        paths.into_iter().filter_map(|path| self.entries.remove_entry(&path)).collect()
    }

    /// What was kept of it; `None` if nothing was, or it makes no sense.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn load(root: &Root) -> Result<Option<Self>, WorkspaceError> {
        let private = root.private_dir()?;
        let file = match open(&private, NAME, OFlags::RDONLY) {
            Err(WorkspaceError::NotFound) => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        match std::fs::File::from(file).read_to_string(&mut text) {
            Ok(_) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(WorkspaceError::Io(error)),
        }
    }

    /// Keeps it, in place of what was kept before, if it is another by now.
    ///
    /// # Errors
    /// When the disk fails; what was kept before still is.
    pub(super) fn save(&mut self, root: &Root) -> Result<(), WorkspaceError> {
        if !self.is_changed {
            return Ok(());
        }
        let private = root.private_dir()?;
        let file = open(&private, NEW_NAME, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        let mut file = std::io::BufWriter::new(std::fs::File::from(file));
        self.write(&mut file).map_err(WorkspaceError::Io)?;
        let file = file.into_inner().map_err(|error| WorkspaceError::Io(error.into_error()))?;
        fsync(&file)?;
        renameat(&private, NEW_NAME, &private, NAME)?;
        fsync(&private)?;
        self.is_changed = false;
        Ok(())
    }

    fn write(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        write!(out, "{HEADER}\0{}\0", self.through)?;
        for (path, Known { version, facts }) in &self.entries {
            // No path has a NUL.
            let facts = facts.map(Facts::to_text).unwrap_or_default();
            write!(out, "{path}\0{version}\0{facts}\0")?;
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_suffix('\0')?.split('\0');
        fields.next().filter(|header| *header == HEADER)?;
        let mut manifest = Self::new(CommitNumber(fields.next()?.parse().ok()?));
        while let Some(path) = fields.next() {
            let version = fields.next()?.parse().ok()?;
            let facts = fields.next()?;
            let facts = if facts.is_empty() { None } else { Some(Facts::of_text(facts)?) };
            manifest.entries.insert(path.to_owned(), Known { version, facts });
        }
        manifest.is_changed = false;
        Some(manifest)
    }
}

fn open(private: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, WorkspaceError> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(private, name, flags, Mode::from_raw_mode(0o600)).map_err(|errno: Errno| errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ProjectPath {
        text.parse().unwrap()
    }

    fn version(n: u8) -> Version {
        Version { kind: EntryKind::File, hash: [n; 32] }
    }

    fn change(at: &str, operation: Operation, new: Option<Version>) -> Change {
        Change { path: path(at), operation, base: None, new, history: None }
    }

    fn paths(manifest: &Manifest) -> Vec<&str> {
        manifest.paths().collect()
    }

    #[test]
    fn it_is_what_the_commits_come_to() {
        let put = |at, n| change(at, Operation::Put { staged: "s1".parse().unwrap() }, Some(version(n)));
        let directory = Version { kind: EntryKind::Directory, hash: [0; 32] };
        let mut manifest = Manifest::new(CommitNumber(0));
        let made = change("d", Operation::Put { staged: "s1".parse().unwrap() }, Some(directory));
        manifest.add(CommitNumber(1), &[made, put("d/a", 1), put("d/e/b", 2), put("d-e", 3), put("x", 4)]);
        assert_eq!(paths(&manifest), ["d-e", "d/a", "d/e/b", "x"]);
        let from = |from: &str| Operation::Move { from: path(from) };
        manifest.add(CommitNumber(2), &[change("m", from("d"), Some(directory)), put("m/a", 5)]);
        assert_eq!(paths(&manifest), ["d-e", "m/a", "m/e/b", "x"]);
        assert_eq!(manifest.get(&path("m/a")).unwrap().version, version(5));
        manifest.add(CommitNumber(3), &[change("x", from("d-e"), Some(version(3)))]);
        assert_eq!(manifest.get(&path("x")).unwrap().version, version(3));
        manifest.add(
            CommitNumber(4),
            &[change("m/e", Operation::Remove, None), change("x", Operation::Found, None)],
        );
        assert_eq!((paths(&manifest), manifest.through), (vec!["m/a"], CommitNumber(4)));
    }

    #[test]
    fn it_reads_back_and_half_of_it_does_not() {
        let mut manifest = Manifest::new(CommitNumber(7));
        let stat = rustix::fs::stat("Cargo.toml").unwrap();
        for (n, at) in ["a", "b c/\n\t", "é"].into_iter().enumerate() {
            manifest.set(&path(at), Some(version(u8::try_from(n).unwrap())));
            let facts = crate::Stat::of(&stat).map(|stat| Facts::of(&stat));
            manifest.looked(&path(at), facts.filter(|_| n != 1));
        }
        let mut text = Vec::new();
        manifest.write(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let parsed = Manifest::parse(&text).unwrap();
        assert_eq!((parsed.through, parsed.entries), (manifest.through, manifest.entries));
        for end in 1..text.len() {
            let half = text.get(..end).and_then(Manifest::parse);
            assert!(half.is_none_or(|half| half.entries.len() < 3), "{end}");
        }
        assert!(Manifest::parse("longhouse manifest 2\0\x30\0").is_none());
    }
}
