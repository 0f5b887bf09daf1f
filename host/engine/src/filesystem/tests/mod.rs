//! Calls as a guest makes them, against a real directory.

#![expect(clippy::disallowed_methods, reason = "tests lay out the project that a guest then sees")]

mod counting;
mod descriptors;
mod grants;
mod hostile;
mod open_files;
mod read_only;
mod versions;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use longhouse_core::{Access, FileGrants, Isolation};
use longhouse_workspace::publish::Files;
use longhouse_workspace::{ChangeSet, Quota, Root, View};
use tokio::sync::Semaphore;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DirectoryEntry, ErrorCode, HostDescriptor as _, HostDirectoryEntryStream, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::*;
use crate::mounts::Mounts;

type Fd = Resource<Descriptor>;

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;

/// A guest in a project:
///
/// ```text
/// outside.txt
/// project/.longhouse/longhouse.db
/// project/d/e/
/// project/d/f.txt
/// project/top.txt
/// ```
struct Guest {
    outer: tempfile::TempDir,
    table: ResourceTable,
    fs: FsState,
    /// The number of the preopened root.
    root: u32,
    access: Access,
    files: Arc<Files>,
    sets: u32,
}

impl HasFs for Guest {
    fn fs(&mut self) -> FsView<'_> {
        FsView { table: &mut self.table, fs: &mut self.fs }
    }
}

impl Guest {
    fn new(access: Access) -> Self {
        Self::with(access, FileGrants::everything(), 100)
    }

    fn with(access: Access, grants: FileGrants, max_open: usize) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("project");
        fs::create_dir_all(dir.join(".longhouse")).unwrap();
        fs::write(dir.join(".longhouse/longhouse.db"), "private").unwrap();
        fs::create_dir_all(dir.join("d/e")).unwrap();
        fs::write(dir.join("d/f.txt"), "content").unwrap();
        fs::write(dir.join("top.txt"), "top").unwrap();
        fs::write(outer.path().join("outside.txt"), "outside").unwrap();
        let root = Arc::new(Root::open(&dir).unwrap());
        let view = View::new(Arc::clone(&root), Arc::new(grants));
        let files = Arc::new(Files::open(root).unwrap());
        let fs = FsState::new(Mounts::new(view, None), Arc::new(Semaphore::new(max_open)), Arc::default());
        let mut guest = Self { outer, table: ResourceTable::new(), fs, root: 0, access, files, sets: 0 };
        guest.forget();
        let preopens = guest.fs().get_directories().unwrap();
        let [(root, name)] = preopens.as_slice() else { panic!("one preopen") };
        assert_eq!(name, "/");
        guest.root = root.rep();
        guest
    }

    fn at(&self, path: &str) -> PathBuf {
        self.outer.path().join("project").join(path)
    }

    fn link(&self, target: &str, path: &str) {
        symlink(target, self.at(path)).unwrap();
    }

    fn root(&self) -> Fd {
        Fd::new_borrow(self.root)
    }

    async fn open(&mut self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> FsResult<Fd> {
        let root = self.root();
        self.fs().open_at(root, PathFlags::SYMLINK_FOLLOW, path.to_owned(), open, flags).await
    }

    async fn list(&mut self, fd: Fd) -> FsResult<Vec<DirectoryEntry>> {
        let stream = self.fs().read_directory(fd).await?;
        let mut entries = Vec::new();
        while let Some(entry) = {
            let stream = Resource::new_borrow(stream.rep());
            self.fs().read_directory_entry(stream).await?
        } {
            entries.push(entry);
        }
        HostDirectoryEntryStream::drop(&mut self.fs(), stream).unwrap();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// From here on as if nothing had been changed.
    fn forget(&mut self) {
        self.sets += 1;
        if self.access == Access::ReadWrite {
            let quota = Quota { bytes: 1 << 20, entries: 100 };
            let name = format!("r1-{}", self.sets);
            let set = ChangeSet::new(Arc::clone(&self.files), name, quota, Arc::default(), Isolation::Writes);
            self.fs.mounts = Mounts::new(self.fs.mounts.project.with(Arc::new(set)), None);
        }
    }

    /// All of a file, as the guest sees it.
    fn read(&self, path: &str) -> String {
        let opened = self.fs.mounts.project.read_file(&path.parse().unwrap()).unwrap();
        std::io::read_to_string(opened.file).unwrap()
    }

    /// Every call that takes a path, on one path, as if none of the others had been. What each answered.
    async fn verbs(&mut self, path: &str) -> Vec<(&'static str, Result<(), ErrorCode>)> {
        let (root, text) = (self.root, || path.to_owned());
        let fd = || Fd::new_borrow(root);
        let (follow, no_follow) = (PathFlags::SYMLINK_FOLLOW, PathFlags::empty());
        let then = NewTimestamp::Now;
        let none = OpenFlags::empty();
        let mut answers = Vec::new();
        for (verb, path_flags, open_flags, flags) in [
            ("open", follow, none, READ),
            ("open unfollowed", no_follow, none, READ),
            ("open directory", follow, OpenFlags::DIRECTORY, READ),
            ("open to write", follow, none, WRITE),
            ("truncate", follow, OpenFlags::TRUNCATE, WRITE),
            ("create", follow, OpenFlags::CREATE, WRITE),
            ("create new", follow, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE),
        ] {
            self.forget();
            let opened = self.fs().open_at(fd(), path_flags, text(), open_flags, flags).await;
            answers.push((verb, opened.map(drop).map_err(error)));
        }
        macro_rules! attempt {
            ($verb:literal, $call:ident($($argument:expr),*)) => {
                self.forget();
                let answer = self.fs().$call($($argument),*).await.map(drop);
                answers.push(($verb, answer.map_err(error)));
            };
        }
        attempt!("stat", stat_at(fd(), follow, text()));
        attempt!("stat link", stat_at(fd(), no_follow, text()));
        attempt!("hash", metadata_hash_at(fd(), follow, text()));
        attempt!("hash link", metadata_hash_at(fd(), no_follow, text()));
        attempt!("read link", readlink_at(fd(), text()));
        attempt!("set times", set_times_at(fd(), follow, text(), then, then));
        attempt!("set link's times", set_times_at(fd(), no_follow, text(), then, then));
        attempt!("hard link from", link_at(fd(), follow, text(), fd(), "d/taken".into()));
        attempt!("hard link to", link_at(fd(), no_follow, "top.txt".into(), fd(), text()));
        attempt!("symbolic link to", symlink_at(fd(), text(), "taken".into()));
        attempt!("symbolic link at", symlink_at(fd(), "top.txt".into(), text()));
        attempt!("make directory", create_directory_at(fd(), text()));
        attempt!("rename from", rename_at(fd(), text(), fd(), "d/taken".into()));
        attempt!("rename to", rename_at(fd(), "top.txt".into(), fd(), text()));
        attempt!("rename directory to", rename_at(fd(), "d".into(), fd(), text()));
        attempt!("remove file", unlink_file_at(fd(), text()));
        attempt!("remove directory", remove_directory_at(fd(), text()));
        answers
    }

    /// The verbs that were allowed on `path`.
    async fn allowed(&mut self, path: &str) -> Vec<&'static str> {
        self.verbs(path)
            .await
            .into_iter()
            .filter(|(_, answer)| answer.is_ok())
            .map(|(verb, _)| verb)
            .collect()
    }

    /// Neither the private directory nor what lies outside was changed.
    fn assert_unharmed(&self) {
        let read = |path| fs::read_to_string(self.at(path)).unwrap();
        assert_eq!(read(".longhouse/longhouse.db"), "private");
        assert_eq!(fs::read_dir(self.at(".longhouse")).unwrap().count(), 3, "with what is staged and kept");
        assert_eq!(read("../outside.txt"), "outside");
        assert_eq!(fs::read_dir(self.outer.path()).unwrap().count(), 2);
    }
}

fn error(error: FsError) -> ErrorCode {
    error.downcast().expect("an error code, not a trap")
}

fn refusal<T>(result: FsResult<T>) -> ErrorCode {
    error(result.err().expect("it was allowed"))
}
