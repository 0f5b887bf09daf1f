//! Opening, creating and truncating.

use super::*;

const WRITE: OpenOptions = OpenOptions {
    write: true,
    read: false,
    create: Create::No,
    truncate: false,
    directory: false,
    no_follow: false,
};
const NEW: OpenOptions = OpenOptions { create: Create::New, ..WRITE };
const IF_MISSING: OpenOptions = OpenOptions { create: Create::IfMissing, ..WRITE };
const DIRECTORY: OpenOptions = OpenOptions { write: false, directory: true, ..WRITE };
const TRUNCATE: OpenOptions = OpenOptions { truncate: true, ..WRITE };

#[test]
fn creating_and_truncating_do_what_they_say() {
    for project in projects() {
        let open = |text: &str, options| project.view.open_at(&path(text), options);
        assert!(matches!(open("new.txt", WRITE), Err(WorkspaceError::NotFound)));
        open("new.txt", NEW).unwrap();
        assert!(matches!(open("new.txt", NEW), Err(WorkspaceError::Exists)));
        open("new.txt", IF_MISSING).unwrap();
        assert!(matches!(open("none/new.txt", NEW), Err(WorkspaceError::NotFound)));
        assert!(matches!(open("top.txt/new.txt", NEW), Err(WorkspaceError::NotADirectory)));
        assert!(matches!(open("", NEW), Err(WorkspaceError::Exists)));
        for options in [WRITE, TRUNCATE, IF_MISSING] {
            assert!(matches!(open("d", options), Err(WorkspaceError::IsADirectory)));
        }
        assert!(matches!(project.content("d"), Err(WorkspaceError::IsADirectory)));
        assert!(matches!(open("top.txt", DIRECTORY), Err(WorkspaceError::NotADirectory)));
        open("top.txt", TRUNCATE).unwrap();
        assert_eq!(project.content("top.txt").unwrap(), "");
    }
}

#[test]
fn a_link_as_the_last_name_is_followed_unless_that_is_refused() {
    for project in projects() {
        project.link("d/made.txt", "dangling");
        project.link("d/f.txt", "file");
        let open = |text: &str, options| project.view.open_at(&path(text), options);
        assert!(matches!(open("dangling", WRITE), Err(WorkspaceError::NotFound)));
        assert!(matches!(open("dangling", NEW), Err(WorkspaceError::Exists)));
        let opened = open("dangling", IF_MISSING).unwrap();
        assert_eq!(opened.path, path("d/made.txt"), "created where the link leads, as open(2) does");
        assert_eq!(project.content("d/made.txt").unwrap(), "");
        assert!(!project.at("d/made.txt").exists(), "nothing is in the project before it is published");
        let unfollowed = open("file", OpenOptions { no_follow: true, ..WRITE });
        assert!(matches!(unfollowed, Err(WorkspaceError::TooManyLinks)), "{unfollowed:?}");
    }
}
