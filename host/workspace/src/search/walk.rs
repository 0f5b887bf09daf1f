//! Coming to every file beneath a directory.

use std::io::Read as _;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use longhouse_core::ProjectPath;

use super::Selection;
use crate::list::{comes_before, contains};
use crate::{Entry, Kind, View};

/// Files that say what is not to be searched; the last one wins.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// The longest of them that is read, in bytes.
const MAX_IGNORE_FILE: u64 = 1 << 20;

/// What is walked over.
#[derive(Debug, Clone, Default)]
pub struct WalkOptions {
    /// Names that begin with a dot, too.
    pub hidden: bool,
    /// What `.gitignore` and `.ignore` files leave out, too.
    pub ignored: bool,
    /// Links, too.
    pub links: bool,
    /// Only what comes after this path.
    pub after: Option<ProjectPath>,
    /// Only these.
    pub selection: Selection,
}

/// Every regular file beneath a directory that its viewer may know of, in the order of a listing. Links are not followed;
/// a directory that vanishes or cannot be read has no entries.
pub struct Walk {
    view: View,
    options: WalkOptions,
    open: Vec<Level>,
}

/// A directory that is being walked through.
struct Level {
    rest: std::vec::IntoIter<Entry>,
    /// What leaves out some of it, the deepest last.
    ignores: Vec<Ignore>,
}

/// What the ignore files of one directory say.
#[derive(Clone)]
struct Ignore {
    directory: ProjectPath,
    rules: Arc<Gitignore>,
}

impl Walk {
    /// Begins at `start`, a directory without links on the way.
    pub(crate) fn new(view: &View, start: &ProjectPath, options: WalkOptions) -> Self {
        let mut walk = Self { view: view.clone(), options, open: Vec::new() };
        let mut ignores = Vec::new();
        for directory in above(start) {
            ignores.extend(walk.ignores_of(&directory));
        }
        walk.descend(start, ignores);
        walk
    }

    fn descend(&mut self, directory: &ProjectPath, mut ignores: Vec<Ignore>) {
        ignores.extend(self.ignores_of(directory));
        let entries = self.view.entries(directory).unwrap_or_default();
        self.open.push(Level { rest: entries.into_iter(), ignores });
    }

    fn ignores_of(&self, directory: &ProjectPath) -> Option<Ignore> {
        if self.options.ignored {
            return None;
        }
        let mut builder = GitignoreBuilder::new("");
        for name in IGNORE_FILES {
            for line in self.text(directory, name).unwrap_or_default().lines() {
                // A line that is no glob says nothing, as to git.
                let _ = builder.add_line(None, line);
            }
        }
        let rules = builder.build().ok().filter(|rules| !rules.is_empty())?;
        Some(Ignore { directory: directory.clone(), rules: Arc::new(rules) })
    }

    fn text(&self, directory: &ProjectPath, name: &str) -> Option<String> {
        let opened = self.view.read_file(&directory.join(name).ok()?).ok()?;
        let mut bytes = Vec::new();
        opened.file.take(MAX_IGNORE_FILE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether neither the entry nor what is beneath is walked over.
    fn leaves_out(&self, entry: &Entry, ignores: &[Ignore]) -> bool {
        let Entry { path, stat } = entry;
        let name = path.split_last().map(|(_, name)| name).unwrap_or_default();
        let is_over = |after: &ProjectPath| {
            let leads_on = stat.kind == Kind::Directory && contains(path, after);
            !leads_on && !comes_before(after, path)
        };
        (!self.options.hidden && name.starts_with('.'))
            || self.options.after.as_ref().is_some_and(is_over)
            || ignores.iter().rev().find_map(|ignore| ignore.verdict(entry)).unwrap_or(false)
    }
}

impl Ignore {
    /// Whether the entry is left out, if this says anything of it.
    fn verdict(&self, entry: &Entry) -> Option<bool> {
        let path = entry.path.as_str().strip_prefix(self.directory.as_str())?.trim_start_matches('/');
        match self.rules.matched(path, entry.stat.kind == Kind::Directory) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let level = self.open.last_mut()?;
            let Some(entry) = level.rest.next() else {
                self.open.pop();
                continue;
            };
            let ignores = level.ignores.clone();
            if self.leaves_out(&entry, &ignores) {
                continue;
            }
            match entry.stat.kind {
                Kind::Directory if self.options.selection.leaves_out(&entry.path) => {}
                Kind::Directory => self.descend(&entry.path, ignores),
                Kind::Link if !self.options.links => {}
                Kind::File | Kind::Link if self.options.selection.takes(&entry.path) => return Some(entry),
                Kind::File | Kind::Link => {}
            }
        }
    }
}

/// The directories above a path, the root first.
fn above(path: &ProjectPath) -> Vec<ProjectPath> {
    let mut above = Vec::new();
    let mut path = path.clone();
    while let Some((parent, _)) = path.split_last() {
        above.push(parent.clone());
        path = parent;
    }
    above.reverse();
    above
}
