//! Descriptors give no more than what they were opened for was granted.

use longhouse_core::PathPattern;

use super::*;

fn reading(read: &str) -> FileGrants {
    let globs = |text: &str| vec![PathPattern::parse(text).unwrap()];
    FileGrants { read: globs(read), write: globs("d/f.txt"), ..FileGrants::default() }
}

#[tokio::test]
async fn a_descriptor_for_reading_changes_nothing_that_may_not_be_changed() {
    let mut guest = Guest::with(Access::ReadWrite, reading("**"), 100);
    let now = NewTimestamp::Now;
    for (path, kind) in [("top.txt", OpenFlags::empty()), ("d", OpenFlags::DIRECTORY)] {
        let rep = guest.open(path, kind, READ).await.unwrap().rep();
        let fd = || Fd::new_borrow(rep);
        let mut fs = guest.fs();
        assert!(fs.set_times(fd(), now, now).await.is_err(), "{path}");
        assert!(fs.set_size(fd(), 0).await.is_err(), "{path}");
        assert!(fs.write(fd(), b"x".to_vec(), 0).await.is_err(), "{path}");
        assert!(fs.write_via_stream(fd(), 0).is_err(), "{path}");
        assert!(fs.append_via_stream(fd()).is_err(), "{path}");
    }
    assert_eq!(fs::read_to_string(guest.at("top.txt")).unwrap(), "top");
    let fd = guest.open("d/f.txt", OpenFlags::empty(), READ).await.unwrap();
    guest.fs().set_times(fd, now, now).await.unwrap();
}

#[tokio::test]
async fn what_may_be_written_and_not_read_is_opened_for_writing_alone() {
    let mut guest = Guest::with(Access::ReadWrite, reading("top.txt"), 100);
    assert_eq!(refusal(guest.open("d/f.txt", OpenFlags::empty(), READ).await), ErrorCode::Access);
    assert_eq!(refusal(guest.open("d/f.txt", OpenFlags::empty(), READ | WRITE).await), ErrorCode::Access);
    let fd = guest.open("d/f.txt", OpenFlags::empty(), WRITE).await.unwrap();
    let rep = fd.rep();
    assert!(guest.fs().read(fd, 7, 0).await.is_err());
    assert_eq!(guest.fs().write(Fd::new_borrow(rep), b"changed".to_vec(), 0).await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_not_granted_is_in_no_listing_and_a_link_there_leads_nowhere() {
    let mut guest = Guest::with(Access::ReadWrite, reading("top.txt"), 100);
    fs::write(guest.at("d/other.txt"), "other").unwrap();
    guest.link("d/other.txt", "link");
    let root = guest.root();
    let names: Vec<String> = guest.list(root).await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["d", "top.txt"]);
    let directory = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap();
    let names: Vec<String> =
        guest.list(directory).await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["f.txt"]);
    for path in ["link", "d/other.txt", "d/e", ".longhouse"] {
        assert_eq!(refusal(guest.open(path, OpenFlags::empty(), READ).await), ErrorCode::NoEntry, "{path}");
    }
}
