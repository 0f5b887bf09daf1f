//! What an open descriptor says of itself.

use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;

use super::*;

#[tokio::test]
async fn facts_by_path_and_by_descriptor_agree() {
    let mut guest = Guest::new(Access::ReadWrite);
    guest.link("d/f.txt", "file");
    let follow = PathFlags::SYMLINK_FOLLOW;
    for path in ["d/f.txt", "file", "d", "."] {
        let rep = guest.open(path, OpenFlags::empty(), READ).await.unwrap().rep();
        let (fd, root) = (|| Fd::new_borrow(rep), guest.root);
        let root = || Fd::new_borrow(root);
        let mut fs = guest.fs();
        let (one, two) =
            (fs.stat(fd()).await.unwrap(), fs.stat_at(root(), follow, path.into()).await.unwrap());
        assert_eq!(format!("{one:?}"), format!("{two:?}"), "{path}");
        let one = fs.metadata_hash(fd()).await.unwrap();
        let two = fs.metadata_hash_at(root(), follow, path.into()).await.unwrap();
        assert_eq!((one.lower, one.upper), (two.lower, two.upper), "{path}");
        let kind =
            if path.ends_with(['d', '.']) { DescriptorType::Directory } else { DescriptorType::RegularFile };
        assert_eq!(fs.get_type(fd()).await.unwrap(), kind, "{path}");
    }
}

#[tokio::test]
async fn a_directory_says_whether_it_can_be_changed() {
    for (access, expected) in
        [(Access::ReadOnly, READ), (Access::ReadWrite, READ | DescriptorFlags::MUTATE_DIRECTORY)]
    {
        let mut guest = Guest::new(access);
        let root = guest.root();
        assert_eq!(guest.fs().get_flags(root).await.unwrap(), expected);
        let d = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap();
        assert_eq!(guest.fs().get_flags(d).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn times_are_set_as_told() {
    let mut guest = Guest::new(Access::ReadWrite);
    let root = guest.root;
    let root = || Fd::new_borrow(root);
    let at = |seconds, nanoseconds| NewTimestamp::Timestamp(Datetime { seconds, nanoseconds });
    let follow = PathFlags::SYMLINK_FOLLOW;
    let mut fs = guest.fs();
    let path = || "d/f.txt".to_owned();
    fs.set_times_at(root(), follow, path(), at(5, 6), at(7, 8)).await.unwrap();
    fs.set_times_at(root(), follow, path(), NewTimestamp::NoChange, at(9, 10)).await.unwrap();
    let stat = fs.stat_at(root(), follow, path()).await.unwrap();
    let time = |time: Option<Datetime>| time.map(|time| (time.seconds, time.nanoseconds)).unwrap();
    assert_eq!((time(stat.data_access_timestamp), time(stat.data_modification_timestamp)), ((5, 6), (9, 10)));
    for (bad, code) in [(at(1, 1_000_000_000), ErrorCode::Invalid), (at(u64::MAX, 0), ErrorCode::Overflow)] {
        assert_eq!(refusal(fs.set_times_at(root(), follow, path(), bad, bad).await), code);
    }
}
