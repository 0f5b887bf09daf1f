//! That every guest gets this file system, whichever version of the interface it was built against.

#![expect(clippy::disallowed_methods, reason = "tests lay out the project that a guest then sees")]

use std::sync::Arc;

use longhouse_core::{Access, ProjectPath};
use longhouse_workspace::Root;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor as _, HostDirectoryEntryStream as _, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::*;

struct Guest {
    dir: tempfile::TempDir,
    table: ResourceTable,
    fs: FsState,
}

impl HasFs for Guest {
    fn fs(&mut self) -> FsView<'_> {
        FsView { table: &mut self.table, fs: &mut self.fs }
    }
}

type Fd = wasmtime::component::Resource<Descriptor>;

impl Guest {
    fn new(access: Access, max_open: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at(".longhouse")).unwrap();
        std::fs::write(at(".longhouse/longhouse.db"), "private").unwrap();
        std::fs::create_dir(at("d")).unwrap();
        std::fs::write(at("d/f.txt"), "content").unwrap();
        std::os::unix::fs::symlink("../.longhouse", at("d/l")).unwrap();
        let root = Arc::new(Root::open(dir.path()).unwrap());
        Self { dir, table: ResourceTable::new(), fs: FsState::new(root, access, max_open, Arc::default()) }
    }

    fn root(&mut self) -> Fd {
        self.fs().get_directories().unwrap().pop().unwrap().0
    }

    async fn open(&mut self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> FsResult<Fd> {
        let root = self.root();
        self.fs().open_at(root, PathFlags::SYMLINK_FOLLOW, path.to_owned(), open, flags).await
    }
}

fn error<T>(result: FsResult<T>) -> ErrorCode {
    let error: FsError = result.err().expect("it was allowed");
    error.downcast().unwrap()
}

/// A component that asks for the preopened directories by version `0.2.{patch}` of the interface.
fn component(patch: u32) -> String {
    format!(
        r#"(component
            (import "wasi:filesystem/types@0.2.{patch}" (instance $types (export "descriptor" (type (sub resource)))))
            (alias export $types "descriptor" (type $descriptor))
            (import "wasi:filesystem/preopens@0.2.{patch}" (instance $preopens
                (alias outer 1 $descriptor (type $outer))
                (export "descriptor" (type $d (eq $outer)))
                (export "get-directories" (func (result (list (tuple (own $d) string)))))))
            (core module $libc
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $preopens "get-directories")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $main
                (import "" "get" (func $get (param i32)))
                (func (export "run") (call $get (i32.const 8))))
            (core instance $main (instantiate $main
                (with "" (instance (export "get" (func $get))))))
            (func (export "run") (canon lift (core func $main "run"))))"#
    )
}

#[tokio::test]
async fn every_version_of_the_interface_is_ours() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker::<Guest>(&mut linker).unwrap();
    for patch in 0..=12 {
        let component = Component::new(&engine, component(patch)).unwrap();
        let mut store = Store::new(&engine, Guest::new(Access::ReadWrite, 10));
        let instance = linker.instantiate_async(&mut store, &component).await.unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        run.call_async(&mut store, ()).await.unwrap();
        assert_eq!(store.data().fs.counters.files_opened(), 1, "0.2.{patch} did not reach us");
    }
}

#[tokio::test]
async fn the_private_directory_does_not_exist() {
    let mut guest = Guest::new(Access::ReadWrite, 100);
    let read = DescriptorFlags::READ;
    for path in [
        ".longhouse",
        "d/../.longhouse/longhouse.db",
        "d/l/longhouse.db",
        "d/l",
        "/.longhouse",
        "d/.longhouse",
    ] {
        assert_eq!(error(guest.open(path, OpenFlags::empty(), read).await), ErrorCode::NoEntry, "{path}");
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let refused = error(guest.open(path, create, DescriptorFlags::WRITE).await);
        assert!(matches!(refused, ErrorCode::NoEntry | ErrorCode::Exist), "{path}: {refused:?}");
    }
    let root = guest.root();
    let stream = guest.fs().read_directory(root).await.unwrap();
    let mut names = Vec::new();
    while let Some(entry) = {
        let stream = wasmtime::component::Resource::new_borrow(stream.rep());
        guest.fs().read_directory_entry(stream).await.unwrap()
    } {
        names.push(entry.name);
    }
    assert_eq!(names, ["d"]);
}

#[tokio::test]
async fn links_cannot_be_made() {
    let mut guest = Guest::new(Access::ReadWrite, 100);
    let (a, b) = (guest.root(), guest.root());
    assert_eq!(error(guest.fs().symlink_at(a, "d".into(), "new".into()).await), ErrorCode::NotPermitted);
    let a = guest.root();
    let linked = guest.fs().link_at(a, PathFlags::empty(), "d/f.txt".into(), b, "new".into()).await;
    assert_eq!(error(linked), ErrorCode::NotPermitted);
    assert!(!guest.dir.path().join("new").exists());
}

#[tokio::test]
async fn a_read_only_run_changes_nothing() {
    let mut guest = Guest::new(Access::ReadOnly, 100);
    let (write, read) = (DescriptorFlags::WRITE, DescriptorFlags::READ);
    for (path, open, flags) in [
        ("d/f.txt", OpenFlags::empty(), write),
        ("d/f.txt", OpenFlags::TRUNCATE, read),
        ("new", OpenFlags::CREATE, read),
    ] {
        assert_eq!(error(guest.open(path, open, flags).await), ErrorCode::ReadOnly, "{path} {open:?}");
    }
    let file = guest.open("d/f.txt", OpenFlags::empty(), read).await.unwrap();
    let rep = file.rep();
    let again = || Fd::new_borrow(rep);
    assert_eq!(error(guest.fs().set_size(again(), 0).await), ErrorCode::ReadOnly);
    assert!(guest.fs().write(again(), b"x".to_vec(), 0).await.is_err());
    assert!(
        guest.fs().write_via_stream(again(), 0).is_err() && guest.fs().append_via_stream(again()).is_err()
    );
    assert_eq!(
        error(guest.fs().set_times(again(), NewTimestamp::Now, NewTimestamp::Now).await),
        ErrorCode::ReadOnly
    );
    let root = guest.root().rep();
    let root = || Fd::new_borrow(root);
    let path = || "d/f.txt".to_owned();
    assert_eq!(error(guest.fs().unlink_file_at(root(), path()).await), ErrorCode::ReadOnly);
    assert_eq!(error(guest.fs().remove_directory_at(root(), "d".into()).await), ErrorCode::ReadOnly);
    assert_eq!(error(guest.fs().create_directory_at(root(), "new".into()).await), ErrorCode::ReadOnly);
    assert_eq!(error(guest.fs().rename_at(root(), path(), root(), "new".into()).await), ErrorCode::ReadOnly);
    let now = NewTimestamp::Now;
    assert_eq!(
        error(guest.fs().set_times_at(root(), PathFlags::empty(), path(), now, now).await),
        ErrorCode::ReadOnly
    );
    assert_eq!(std::fs::read_to_string(guest.dir.path().join("d/f.txt")).unwrap(), "content");
}

#[tokio::test]
async fn descriptors_are_bounded_and_closing_makes_room() {
    let mut guest = Guest::new(Access::ReadWrite, 4);
    let read = DescriptorFlags::READ;
    let first = guest.open("d/f.txt", OpenFlags::empty(), read).await.unwrap();
    let _second = guest.open("d/f.txt", OpenFlags::empty(), read).await.unwrap();
    assert_eq!(
        error(
            guest
                .fs()
                .open_at(
                    Fd::new_borrow(first.rep()),
                    PathFlags::empty(),
                    "x".into(),
                    OpenFlags::empty(),
                    read
                )
                .await
        ),
        ErrorCode::NotDirectory
    );
    let root =
        guest.fs.root.open_at(&ProjectPath::root(), longhouse_workspace::OpenOptions::default()).unwrap();
    let mode = wasmtime_wasi::filesystem::OpenMode::READ;
    assert_eq!(error(guest.fs().push(root, mode)), ErrorCode::InsufficientMemory);
    guest.fs().close(first).unwrap();
    let root =
        guest.fs.root.open_at(&ProjectPath::root(), longhouse_workspace::OpenOptions::default()).unwrap();
    assert!(guest.fs().push(root, mode).is_ok());
}

#[tokio::test]
async fn what_is_read_and_written_is_counted() {
    let mut guest = Guest::new(Access::ReadWrite, 100);
    let both = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let rep = guest.open("d/f.txt", OpenFlags::empty(), both).await.unwrap().rep();
    let fd = || Fd::new_borrow(rep);
    assert_eq!(guest.fs().read(fd(), 100, 0).await.unwrap(), (b"content".to_vec(), false));
    assert_eq!(guest.fs().write(fd(), b"CON".to_vec(), 0).await.unwrap(), 3);
    let stream = guest.fs().write_via_stream(fd(), 7).unwrap();
    guest.table.get_mut(&stream).unwrap().write(bytes::Bytes::from_static(b"more!")).unwrap();
    let stream = guest.fs().read_via_stream(fd(), 0).unwrap();
    let stream = guest.table.get_mut(&stream).unwrap();
    stream.ready().await;
    assert_eq!(&stream.read(5).unwrap()[..], b"CONte");
    let counters = &guest.fs.counters;
    assert_eq!((counters.bytes_read(), counters.bytes_written()), (12, 8));
}
