//! Versions: of content, whatever a file's name and times.

use std::time::{Duration, SystemTime};

use longhouse_core::{EntryKind, Version};

use super::*;

fn version(project: &Project, text: &str) -> Version {
    project.view.version(&project.view.read_file(&path(text)).unwrap()).unwrap()
}

/// The same time for all that are of an age.
fn age(project: &Project, text: &str, seconds: u64) {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - seconds);
    fs::File::options().write(true).open(project.at(text)).unwrap().set_modified(then).unwrap();
}

#[test]
fn a_version_is_of_the_content_and_of_whether_it_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;
    for project in projects() {
        let content = version(&project, "d/f.txt");
        assert_eq!(content, Version { kind: EntryKind::File, hash: *blake3::hash(b"content").as_bytes() });
        fs::write(project.at("same"), "content").unwrap();
        assert_eq!(version(&project, "same"), content);
        fs::set_permissions(project.at("same"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(version(&project, "same"), Version { kind: EntryKind::Executable, ..content });
        fs::write(project.at("d/f.txt"), "other").unwrap();
        assert_ne!(version(&project, "d/f.txt"), content);
        fs::write(project.at("d/f.txt"), "content").unwrap();
        assert_eq!(version(&project, "d/f.txt"), content, "back again is the same");
    }
}

#[test]
fn a_change_that_leaves_size_and_time_as_they_were_is_seen() {
    let [project, _] = projects();
    // Whatever is remembered of the first content must not stand for the second.
    for round in 0..20 {
        let content = format!("content {:02}", round % 2);
        fs::write(project.at("d/f.txt"), &content).unwrap();
        age(&project, "d/f.txt", 1_000);
        let expected = *blake3::hash(content.as_bytes()).as_bytes();
        assert_eq!(version(&project, "d/f.txt").hash, expected, "round {round}");
    }
}

#[test]
fn a_file_with_the_inode_of_one_that_is_gone_is_not_taken_for_it() {
    use std::os::unix::fs::MetadataExt as _;
    let [project, _] = projects();
    let at = project.at("d/f.txt");
    fs::write(&at, "content one").unwrap();
    age(&project, "d/f.txt", 1_000);
    // As it is remembered once the times of the first tell it from others.
    let opened = project.view.read_file(&path("d/f.txt")).unwrap();
    project.view.root.versions.put(&opened.stat, *blake3::hash(b"content one").as_bytes());
    drop(opened);
    let inode = fs::metadata(&at).unwrap().ino();
    fs::remove_file(&at).unwrap();
    let found = (0..1_000).any(|number| {
        let new = project.at(format!("d/new {number}"));
        fs::write(&new, "content two").unwrap();
        fs::metadata(&new).unwrap().ino() == inode && fs::rename(&new, &at).is_ok()
    });
    if !found {
        println!("this file system gives no inode again so soon");
        return;
    }
    age(&project, "d/f.txt", 1_000);
    assert_eq!(version(&project, "d/f.txt").hash, *blake3::hash(b"content two").as_bytes());
}

#[test]
fn reading_goes_on_where_it_was() {
    let [project, _] = projects();
    let opened = project.view.read_file(&path("d/f.txt")).unwrap();
    project.view.version(&opened).unwrap();
    assert_eq!(std::io::read_to_string(&opened.file).unwrap(), "content");
}
