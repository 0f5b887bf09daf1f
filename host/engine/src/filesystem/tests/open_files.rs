//! The limit on what is open at once. The root takes one place.

use wasmtime_wasi::p2::bindings::filesystem::types;
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

#[tokio::test]
async fn what_is_staged_is_limited_whichever_call_writes() {
    const MOST: u64 = 1 << 20;
    let mut guest = Guest::new(Access::ReadWrite);
    let rep = guest.open("new", OpenFlags::CREATE, WRITE).await.unwrap().rep();
    let fd = || Fd::new_borrow(rep);
    guest.fs().set_size(fd(), MOST).await.unwrap();
    let mut fs = guest.fs();
    assert_eq!(refusal(fs.set_size(fd(), MOST + 1).await), ErrorCode::Quota);
    assert_eq!(refusal(fs.write(fd(), vec![0; 1], MOST).await), ErrorCode::Quota);
    assert_eq!(refusal(fs.write(fd(), vec![0; 1], u64::MAX).await), ErrorCode::Quota);
    let streams = [fs.write_via_stream(fd(), MOST - 1).unwrap(), fs.append_via_stream(fd()).unwrap()];
    for stream in streams {
        let written = guest.table.get_mut(&stream).unwrap().write(bytes::Bytes::from_static(b"xx"));
        let Err(wasmtime_wasi::p2::StreamError::LastOperationFailed(error)) = written else {
            panic!("{written:?}")
        };
        let error = guest.table.push(error).unwrap();
        let code = types::Host::filesystem_error_code(&mut guest.fs(), error).unwrap();
        assert_eq!(code, Some(ErrorCode::Quota));
    }
    // What is there may be written again.
    assert_eq!(guest.fs().write(fd(), vec![1; 10], 0).await.unwrap(), 10);
    guest.fs().set_size(fd(), 0).await.unwrap();
    assert_eq!(guest.fs().write(fd(), vec![1; 10], 100).await.unwrap(), 10);
}
