//! Hostile paths against every door, with the kernel's resolution and with our own.

mod change;
mod grants;
mod kinds;
mod links;
mod list;
mod locate;
mod open;
mod private;
mod race;
mod search;
mod version;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longhouse_core::{FileGrants, Isolation, ProjectPath};

use crate::publish::Files;
use crate::*;

/// A project beside a file that is none of its business:
///
/// ```text
/// outside.txt
/// project/.longhouse/longhouse.db
/// project/d/e/
/// project/d/f.txt
/// project/top.txt
/// ```
struct Project {
    outer: tempfile::TempDir,
    view: View,
}

/// The same project twice: with `openat2`, and walking without it.
fn projects() -> [Project; 2] {
    [true, false].map(|openat2| {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("project");
        fs::write(outer.path().join("outside.txt"), "outside").unwrap();
        fs::create_dir_all(dir.join(".longhouse")).unwrap();
        fs::write(dir.join(".longhouse/longhouse.db"), "private").unwrap();
        fs::create_dir_all(dir.join("d/e")).unwrap();
        fs::write(dir.join("d/f.txt"), "content").unwrap();
        fs::write(dir.join("top.txt"), "top").unwrap();
        let root = Root::open(&dir).unwrap();
        let root = if openat2 { root } else { Root { beneath: root.beneath.without_openat2(), ..root } };
        let view = changing(&View::new(Arc::new(root), Arc::new(FileGrants::everything())));
        Project { outer, view }
    })
}

/// What this view shows, to be changed from there on.
fn changing(view: &View) -> View {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let files = match &view.own {
        Some(own) => Arc::clone(own.files()),
        None => Arc::new(Files::open(Arc::clone(&view.root)).unwrap()),
    };
    let name = format!("r1-{}", LAST.fetch_add(1, Ordering::Relaxed));
    let quota = Quota { bytes: 1 << 20, entries: 100 };
    view.with(Arc::new(ChangeSet::new(files, name, quota, Arc::default(), Isolation::Writes)))
}

impl Project {
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.outer.path().join("project").join(path)
    }

    fn link(&self, target: &str, path: &str) {
        symlink(target, self.at(path)).unwrap();
    }

    fn content(&self, text: &str) -> Result<String, WorkspaceError> {
        let opened = self.view.read_file(&ProjectPath::parse(text)?)?;
        Ok(std::io::read_to_string(opened.file).unwrap())
    }

    fn names(&self, text: &str) -> Vec<String> {
        let entries = self.view.entries(&path(text)).unwrap();
        entries.iter().map(|entry| entry.path.to_string()).collect()
    }

    /// Neither the private directory nor what lies outside was changed.
    fn assert_unharmed(&self) {
        assert_eq!(fs::read_to_string(self.at(".longhouse/longhouse.db")).unwrap(), "private");
        assert_eq!(fs::read_dir(self.at(".longhouse")).unwrap().count(), 3, "with what is staged and kept");
        assert_eq!(fs::read_to_string(self.at("../outside.txt")).unwrap(), "outside");
        assert_eq!(fs::read_dir(self.outer.path()).unwrap().count(), 2);
        for untouched in ["outside.txt", "project/.longhouse", "project/.longhouse/longhouse.db"] {
            let modified = fs::metadata(self.outer.path().join(untouched)).unwrap().modified().unwrap();
            assert!(modified > std::time::UNIX_EPOCH + std::time::Duration::from_secs(1), "{untouched}");
        }
    }
}

fn path(text: &str) -> ProjectPath {
    ProjectPath::parse(text).unwrap()
}

/// Every way in which a path could be used, on one path, as if none of the others had been. The names of those that
/// succeeded.
fn doors(view: &View, target: &ProjectPath) -> Vec<&'static str> {
    let fresh = || changing(view);
    let open = |options| fresh().open_at(target, options).is_ok();
    let write = OpenOptions { write: true, ..OpenOptions::default() };
    let long_ago = NewTime::At { seconds: 1, nanoseconds: 0 };
    let times = Times { accessed: long_ago, modified: long_ago };
    let attempts = [
        ("read", fresh().read_file(target).is_ok()),
        ("open", open(OpenOptions::default())),
        ("open directory", open(OpenOptions { directory: true, ..OpenOptions::default() })),
        ("open unfollowed", open(OpenOptions { no_follow: true, ..OpenOptions::default() })),
        ("write", open(write)),
        ("truncate", open(OpenOptions { truncate: true, ..write })),
        ("create", open(OpenOptions { create: Create::IfMissing, ..write })),
        ("create new", open(OpenOptions { create: Create::New, ..write })),
        ("stat", fresh().stat(target, Follow::Last).is_ok()),
        ("stat link", fresh().stat(target, Follow::No).is_ok()),
        ("read link", fresh().read_link(target).is_ok()),
        ("read directory", fresh().read_dir(target).is_ok()),
        ("list", fresh().entries(target).is_ok()),
        ("make directory", fresh().create_dir(target).is_ok()),
        ("make link", fresh().symlink("top.txt", target).is_ok()),
        ("copy from", fresh().copy_file(target, Follow::Last, &path("d/taken")).is_ok()),
        ("copy to", fresh().copy_file(&path("top.txt"), Follow::Last, target).is_ok()),
        ("set times", fresh().set_times(target, Follow::Last, times).is_ok()),
        ("set link's times", fresh().set_times(target, Follow::No, times).is_ok()),
        ("rename from", fresh().rename(target, &path("d/taken")).is_ok()),
        ("rename to", fresh().rename(&path("top.txt"), target).is_ok()),
        ("rename directory to", fresh().rename(&path("d/e"), target).is_ok()),
        ("remove file", fresh().remove_file(target).is_ok()),
        ("remove directory", fresh().remove_dir(target).is_ok()),
    ];
    attempts.into_iter().filter(|(_, succeeded)| *succeeded).map(|(door, _)| door).collect()
}

/// What acts on a link itself. A link belongs to the project wherever it points.
const DOORS_ON_LINKS: [&str; 6] =
    ["stat link", "read link", "set link's times", "rename from", "rename to", "remove file"];
