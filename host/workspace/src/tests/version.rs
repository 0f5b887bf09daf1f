//! Versions: of content, whatever a file's name and times.

use std::time::{Duration, SystemTime};

use longhouse_core::{EntryKind, Version};

use super::*;

fn version(project: &Project, text: &str) -> Version {
    project.view.version(&project.view.read_file(&path(text)).unwrap()).unwrap()
}

fn age(project: &Project, text: &str, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
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
fn reading_goes_on_where_it_was() {
    let [project, _] = projects();
    let opened = project.view.read_file(&path("d/f.txt")).unwrap();
    project.view.version(&opened).unwrap();
    assert_eq!(std::io::read_to_string(&opened.file).unwrap(), "content");
}
