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
async fn what_was_just_listed_is_told_like_what_lies_there_now() {
    let mut guest = Guest::new(Access::ReadWrite);
    guest.link("../top.txt", "d/link");
    let d = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap().rep();
    let d = || Fd::new_borrow(d);
    let stream = guest.fs().read_directory(d()).await.unwrap().rep();
    let mut told = 0;
    while let Some(DirectoryEntry { name, .. }) =
        guest.fs().read_directory_entry(Resource::new_borrow(stream)).await.unwrap()
    {
        let mut hash = async |path: &str, flags| {
            let hash = guest.fs().metadata_hash_at(d(), flags, path.to_owned()).await.unwrap();
            (hash.lower, hash.upper)
        };
        let (first, again) = (hash(&name, PathFlags::empty()).await, hash(&name, PathFlags::empty()).await);
        assert_eq!(first, again, "{name}");
        assert_eq!(first == hash(&name, PathFlags::SYMLINK_FOLLOW).await, name != "link", "{name}");
        told += 1;
    }
    assert_eq!(told, 3);

    // What is done in between counts.
    for round in 0..3 {
        let stream = guest.fs().read_directory(d()).await.unwrap().rep();
        let next = guest.fs().read_directory_entry(Resource::new_borrow(stream)).await.unwrap().unwrap();
        guest.fs().rename_at(d(), next.name.clone(), d(), format!("other{round}")).await.unwrap();
        let gone = guest.fs().metadata_hash_at(d(), PathFlags::empty(), next.name).await;
        assert_eq!(refusal(gone), ErrorCode::NoEntry);
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
