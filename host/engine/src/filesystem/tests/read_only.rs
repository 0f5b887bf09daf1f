//! A run that may not change the project.

use super::*;

#[tokio::test]
async fn every_change_is_refused_and_reading_is_not() {
    let reading = ["open", "open unfollowed", "stat", "stat link", "hash", "hash link"];
    for path in ["d/f.txt", "top.txt"] {
        let mut guest = Guest::new(Access::ReadOnly);
        assert_eq!(guest.allowed(path).await, reading, "{path}");
    }
    for path in ["new", "d/new", "d/e"] {
        let mut guest = Guest::new(Access::ReadOnly);
        for (verb, answer) in guest.verbs(path).await {
            let reads = reading.contains(&verb) || ["open directory", "read link"].contains(&verb);
            assert!(reads || answer == Err(ErrorCode::ReadOnly), "{verb} {path}: {answer:?}");
        }
        assert!(guest.at("d/e").is_dir() && !guest.at("new").exists() && !guest.at("d/new").exists());
    }
}

#[tokio::test]
async fn creating_or_truncating_by_a_descriptor_for_reading_is_a_change() {
    let mut guest = Guest::new(Access::ReadOnly);
    for open in [OpenFlags::TRUNCATE, OpenFlags::CREATE] {
        assert_eq!(refusal(guest.open("top.txt", open, READ).await), ErrorCode::ReadOnly, "{open:?}");
    }
    assert_eq!(fs::read_to_string(guest.at("top.txt")).unwrap(), "top");
}

#[tokio::test]
async fn an_open_descriptor_changes_nothing() {
    let mut guest = Guest::new(Access::ReadOnly);
    let now = NewTimestamp::Now;
    for (path, kind) in [("d/f.txt", OpenFlags::empty()), ("d", OpenFlags::DIRECTORY)] {
        let rep = guest.open(path, kind, READ).await.unwrap().rep();
        let fd = || Fd::new_borrow(rep);
        let mut fs = guest.fs();
        assert_eq!(refusal(fs.set_times(fd(), now, now).await), ErrorCode::ReadOnly, "{path}");
        assert!(fs.set_size(fd(), 0).await.is_err(), "{path}");
        assert!(fs.write(fd(), b"x".to_vec(), 0).await.is_err(), "{path}");
        assert!(fs.write_via_stream(fd(), 0).is_err(), "{path}");
        assert!(fs.append_via_stream(fd()).is_err(), "{path}");
        assert_eq!(fs.get_flags(fd()).await.unwrap(), READ, "{path}");
    }
    assert_eq!(fs::read_to_string(guest.at("d/f.txt")).unwrap(), "content");
}
