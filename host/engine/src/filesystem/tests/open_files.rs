//! The limit on what is open at once. The root takes one place.

use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::*;

#[tokio::test]
async fn what_is_too_much_is_refused_and_changes_nothing_and_closing_makes_room() {
    let mut guest = Guest::with(Access::ReadWrite, FileGrants::everything(), 3);
    let none = OpenFlags::empty();
    let first = guest.open("top.txt", none, READ).await.unwrap();
    let directory = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap();
    for (path, open) in [
        ("top.txt", none),
        ("d", OpenFlags::DIRECTORY),
        ("new", OpenFlags::CREATE),
        ("top.txt", OpenFlags::TRUNCATE),
    ] {
        let flags = if open.contains(OpenFlags::DIRECTORY) { READ } else { WRITE };
        assert_eq!(refusal(guest.open(path, open, flags).await), ErrorCode::InsufficientMemory, "{path}");
    }
    assert!(!guest.at("new").exists());
    assert_eq!(fs::read_to_string(guest.at("top.txt")).unwrap(), "top");
    assert!(guest.fs().get_directories().is_err(), "a trap: this call has no error");
    guest.fs().close(first).unwrap();
    guest.open("top.txt", none, READ).await.unwrap();
    guest.fs().close(directory).unwrap();
    assert_eq!(guest.fs.counters.files_opened(), 4);
}

#[tokio::test]
async fn a_directory_that_is_being_read_is_open() {
    let mut guest = Guest::with(Access::ReadWrite, FileGrants::everything(), 3);
    let root = guest.root;
    let root = || Fd::new_borrow(root);
    let first = guest.fs().read_directory(root()).await.unwrap();
    guest.fs().read_directory(root()).await.unwrap();
    assert_eq!(refusal(guest.fs().read_directory(root()).await), ErrorCode::InsufficientMemory);
    HostDirectoryEntryStream::drop(&mut guest.fs(), first).unwrap();
    guest.fs().read_directory(root()).await.unwrap();
}

#[tokio::test]
async fn a_stream_keeps_its_file_open_after_the_descriptor() {
    let streams: [fn(&mut FsView<'_>, Fd) -> u32; 3] = [
        |fs, fd| fs.read_via_stream(fd, 0).unwrap().rep(),
        |fs, fd| fs.write_via_stream(fd, 0).unwrap().rep(),
        |fs, fd| fs.append_via_stream(fd).unwrap().rep(),
    ];
    for (n, make) in streams.into_iter().enumerate() {
        let mut guest = Guest::with(Access::ReadWrite, FileGrants::everything(), 2);
        let fd = guest.open("top.txt", OpenFlags::empty(), READ | WRITE).await.unwrap();
        let stream = make(&mut guest.fs(), Fd::new_borrow(fd.rep()));
        guest.fs().close(fd).unwrap();
        let refused = guest.open("top.txt", OpenFlags::empty(), READ).await;
        assert_eq!(refusal(refused), ErrorCode::InsufficientMemory);
        match n {
            0 => drop(guest.table.delete::<DynInputStream>(Resource::new_own(stream)).unwrap()),
            _ => drop(guest.table.delete::<DynOutputStream>(Resource::new_own(stream)).unwrap()),
        }
        guest.open("top.txt", OpenFlags::empty(), READ).await.unwrap();
    }
}
