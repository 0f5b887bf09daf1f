//! Only regular files, directories and links are visible.

use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, mknodat};

use super::*;

#[test]
fn what_is_no_file_cannot_be_seen_opened_moved_replaced_or_removed() {
    for project in projects() {
        mknodat(CWD, project.at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = UnixListener::bind(project.at("socket")).unwrap();
        project.link("fifo", "link");
        for name in ["fifo", "socket"] {
            assert_eq!(doors(&project.view, &path(name)), [""; 0], "{name}");
            assert!(matches!(project.content(name), Err(WorkspaceError::NotFound)), "{name}");
        }
        assert!(matches!(project.content("link"), Err(WorkspaceError::NotFound)));
        assert_eq!(project.names("."), ["d", "link", "top.txt"]);
        assert!(project.view.entries(&path("fifo")).is_err());
    }
}

#[test]
fn facts_are_those_of_the_file() {
    use std::os::unix::fs::PermissionsExt;
    for project in projects() {
        project.link("f.txt", "d/l");
        fs::set_permissions(project.at("d/f.txt"), fs::Permissions::from_mode(0o755)).unwrap();
        let file = project.view.stat(&path("d/l"), Follow::Last).unwrap();
        assert_eq!((file.kind, file.size, file.executable, file.links), (Kind::File, 7, true, 1));
        let link = project.view.stat(&path("d/l"), Follow::No).unwrap();
        assert_eq!((link.kind, link.size), (Kind::Link, 5));
        assert_eq!(project.view.read_link(&path("d/l")).unwrap(), "f.txt");
        assert!(project.view.stat(&ProjectPath::root(), Follow::No).unwrap().is_directory());
        let same = project.view.stat(&path("d/f.txt"), Follow::No).unwrap();
        assert_eq!(same.identity, file.identity);
        assert_ne!(same.identity.digest(), link.identity.digest());
        let modified = fs::metadata(project.at("d/f.txt")).unwrap().modified().unwrap();
        let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert_eq!(u128::from(file.modified_ms()), modified);
    }
}
