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

use longhouse_core::{Access, FileGrants};
use longhouse_workspace::{Root, View};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DirectoryEntry, ErrorCode, HostDescriptor as _, HostDirectoryEntryStream, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::*;

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

    fn with(access: Access, grants: FileGrants, max_open: u32) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("project");
        fs::create_dir_all(dir.join(".longhouse")).unwrap();
        fs::write(dir.join(".longhouse/longhouse.db"), "private").unwrap();
        fs::create_dir_all(dir.join("d/e")).unwrap();
        fs::write(dir.join("d/f.txt"), "content").unwrap();
        fs::write(dir.join("top.txt"), "top").unwrap();
        fs::write(outer.path().join("outside.txt"), "outside").unwrap();
        let root = Arc::new(Root::open(&dir).unwrap());
        let view = View::new(root, Arc::new(grants));
        let fs = FsState::new(view, access, max_open, Arc::default());
        let mut guest = Self { outer, table: ResourceTable::new(), fs, root: 0 };
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

    /// Every call that takes a path, on one path. What each answered.
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
            let opened = self.fs().open_at(fd(), path_flags, text(), open_flags, flags).await;
            answers.push((verb, opened.map(drop).map_err(error)));
        }
        let mut fs = self.fs();
        let mut answer = |verb, result: FsResult<()>| answers.push((verb, result.map_err(error)));
        answer("stat", fs.stat_at(fd(), follow, text()).await.map(drop));
        answer("stat link", fs.stat_at(fd(), no_follow, text()).await.map(drop));
        answer("hash", fs.metadata_hash_at(fd(), follow, text()).await.map(drop));
        answer("hash link", fs.metadata_hash_at(fd(), no_follow, text()).await.map(drop));
        answer("read link", fs.readlink_at(fd(), text()).await.map(drop));
        answer("set times", fs.set_times_at(fd(), follow, text(), then, then).await);
        answer("set link's times", fs.set_times_at(fd(), no_follow, text(), then, then).await);
        answer("hard link from", fs.link_at(fd(), no_follow, text(), fd(), "d/taken".into()).await);
        answer("hard link to", fs.link_at(fd(), no_follow, "top.txt".into(), fd(), text()).await);
        answer("symbolic link to", fs.symlink_at(fd(), text(), "d/taken".into()).await);
        answer("symbolic link at", fs.symlink_at(fd(), "top.txt".into(), text()).await);
        answer("make directory", fs.create_directory_at(fd(), text()).await);
        answer("rename from", fs.rename_at(fd(), text(), fd(), "d/taken".into()).await);
        answer("rename to", fs.rename_at(fd(), "top.txt".into(), fd(), text()).await);
        answer("rename directory to", fs.rename_at(fd(), "d".into(), fd(), text()).await);
        answer("remove file", fs.unlink_file_at(fd(), text()).await);
        answer("remove directory", fs.remove_directory_at(fd(), text()).await);
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

    /// Neither the private directory nor what lies outside was changed, and no link was made.
    fn assert_unharmed(&self) {
        let read = |path| fs::read_to_string(self.at(path)).unwrap();
        assert_eq!(read(".longhouse/longhouse.db"), "private");
        assert_eq!(fs::read_dir(self.at(".longhouse")).unwrap().count(), 1);
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
