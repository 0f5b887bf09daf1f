//! Hostile paths against every door, with the kernel's resolution and with our own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use longhouse_core::ProjectPath;

use crate::*;

struct Project {
    dir: tempfile::TempDir,
    root: Root,
}

/// The same project twice: with `openat2`, and walking without it.
fn projects() -> [Project; 2] {
    [false, true].map(|walk| {
        let outer = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir_in(outer.keep()).unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir(at(".longhouse")).unwrap();
        fs::write(at(".longhouse/longhouse.db"), "private").unwrap();
        fs::create_dir_all(at("d/e")).unwrap();
        fs::write(at("d/f.txt"), "content").unwrap();
        fs::write(at("top.txt"), "top").unwrap();
        fs::write(dir.path().parent().unwrap().join("outside.txt"), "outside").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let root = if walk { Root { beneath: root.beneath.without_openat2(), ..root } } else { root };
        Project { dir, root }
    })
}

impl Project {
    fn link(&self, target: &str, path: &str) {
        symlink(target, self.dir.path().join(path)).unwrap();
    }

    fn content(&self, text: &str) -> Result<String, WorkspaceError> {
        let opened = self.root.read_file(&ProjectPath::parse(text)?)?;
        Ok(std::io::read_to_string(opened.file).unwrap())
    }

    fn names(&self, text: &str) -> Vec<String> {
        let entries = self.root.entries(&ProjectPath::parse(text).unwrap()).unwrap();
        entries.iter().map(|entry| entry.path.to_string()).collect()
    }
}

fn path(text: &str) -> ProjectPath {
    ProjectPath::parse(text).unwrap()
}

#[test]
fn links_inside_the_project_are_followed() {
    for project in projects() {
        project.link("d/f.txt", "file");
        project.link("d", "dir");
        project.link("../top.txt", "d/up");
        project.link("dir/up", "chain");
        for (text, expected) in [
            ("file", "content"),
            ("dir/f.txt", "content"),
            ("d/up", "top"),
            ("chain", "top"),
            ("dir/e/../f.txt", "content"),
        ] {
            assert_eq!(project.content(text).unwrap(), expected, "{text}");
        }
        let opened = project.root.read_file(&path("dir/f.txt")).unwrap();
        assert_eq!(opened.path, path("d/f.txt"), "the resolved path is reported");
        assert_eq!(project.names("dir"), ["d/e", "d/f.txt", "d/up"].map(|name| name.replacen('d', "dir", 1)));
    }
}

/// Every way in which a path could be used, on one path. The names of those that succeeded.
fn doors(root: &Root, target: &ProjectPath) -> Vec<&'static str> {
    let open = |options| root.open_at(target, options).is_ok();
    let write = OpenOptions { write: true, ..OpenOptions::default() };
    let times = Times { modified: Some((1, 0)), ..Times::default() };
    let attempts = [
        ("read", root.read_file(target).is_ok()),
        ("open", open(OpenOptions::default())),
        ("write", open(write)),
        ("truncate", open(OpenOptions { truncate: true, ..write })),
        ("create", open(OpenOptions { create: Create::IfMissing, ..write })),
        ("create new", open(OpenOptions { create: Create::New, ..write })),
        ("stat", root.stat(target, Follow::Last).is_ok()),
        ("list", root.entries(target).is_ok()),
        ("mkdir", root.create_dir(target).is_ok()),
        ("set times", root.set_times(target, Follow::Last, times).is_ok()),
        ("rename from", root.rename(target, &path("d/taken")).is_ok()),
        ("rename to", root.rename(&path("top.txt"), target).is_ok()),
        ("remove file", root.remove_file(target).is_ok()),
        ("remove dir", root.remove_dir(target).is_ok()),
    ];
    attempts.into_iter().filter(|(_, succeeded)| *succeeded).map(|(door, _)| door).collect()
}

#[test]
fn nothing_beneath_a_link_to_the_private_directory_can_be_touched() {
    for project in projects() {
        project.link(".longhouse", "l");
        project.link("../.longhouse", "d/l");
        project.link("d/l", "chain");
        project.link("./d/../.longhouse/.", "winding");
        for link in ["l", "d/l", "chain", "winding"] {
            for name in ["longhouse.db", "new.txt"] {
                let target = path(&format!("{link}/{name}"));
                assert_eq!(doors(&project.root, &target), [""; 0], "{target}");
            }
        }
        let private = project.dir.path().join(".longhouse");
        assert_eq!(fs::read_to_string(private.join("longhouse.db")).unwrap(), "private");
        assert_eq!(fs::read_dir(private).unwrap().count(), 1);
    }
}

#[test]
fn a_link_to_the_private_directory_leads_nowhere_but_can_be_removed() {
    for target in [".longhouse", ".longhouse/longhouse.db", ".longhouse/new.txt"] {
        for project in projects() {
            project.link(target, "l");
            let through = doors(&project.root, &path("l"));
            let on_the_link_itself = ["rename from", "rename to", "remove file"];
            assert!(through.iter().all(|door| on_the_link_itself.contains(door)), "{target}: {through:?}");
            let private = project.dir.path().join(".longhouse");
            assert_eq!(fs::read_to_string(private.join("longhouse.db")).unwrap(), "private");
            assert_eq!(fs::read_dir(private).unwrap().count(), 1);
        }
    }
}

#[test]
fn the_private_directory_is_not_recognised_by_name_alone() {
    for mut project in projects() {
        let private = project.dir.path().join(".longhouse");
        fs::rename(&private, project.dir.path().join("renamed")).unwrap();
        assert!(project.root.entries(&path("renamed")).is_err());
        assert!(!project.names(".").contains(&"renamed".to_owned()));
        project.root.private = None;
        assert!(project.root.entries(&path("renamed")).is_ok(), "the guard is what refused it");
    }
}

#[test]
fn links_out_of_the_project_lead_nowhere() {
    for project in projects() {
        let absolute = project.dir.path().join("top.txt");
        for (n, target) in ["..", "../outside.txt", "/etc", "/etc/passwd", "d/../../outside.txt", "/"]
            .into_iter()
            .enumerate()
        {
            project.link(target, &format!("out{n}"));
            for suffix in ["", "/outside.txt", "/passwd"] {
                let text = format!("out{n}{suffix}");
                let result = project.content(&text);
                assert!(
                    matches!(result, Err(WorkspaceError::OutsideProject)),
                    "{target} {suffix}: {result:?}"
                );
            }
        }
        project.link(absolute.to_str().unwrap(), "absolute-inside");
        assert!(matches!(project.content("absolute-inside"), Err(WorkspaceError::OutsideProject)));
        let outside = project.dir.path().parent().unwrap().join("outside.txt");
        assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
    }
}

#[test]
fn links_in_a_circle_are_given_up() {
    for project in projects() {
        project.link("b", "a");
        project.link("a", "b");
        assert!(matches!(project.content("a"), Err(WorkspaceError::TooManyLinks)));
        assert!(matches!(project.content("a/x"), Err(WorkspaceError::TooManyLinks)));
    }
}

#[test]
fn only_files_directories_and_links_are_visible() {
    for project in projects() {
        let fifo = project.dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(project.dir.path().join("socket")).unwrap();
        for name in ["fifo", "socket"] {
            assert!(matches!(project.content(name), Err(WorkspaceError::NotFound)), "{name}");
            assert!(project.root.remove_file(&path(name)).is_err());
        }
        assert_eq!(project.names("."), ["d", "top.txt"]);
    }
}

#[test]
fn creating_and_truncating_do_what_they_say() {
    for project in projects() {
        let open = |text: &str, options| project.root.open_at(&path(text), options);
        let write = OpenOptions { write: true, ..OpenOptions::default() };
        let new = OpenOptions { create: Create::New, ..write };
        assert!(matches!(open("new.txt", write), Err(WorkspaceError::NotFound)));
        open("new.txt", new).unwrap();
        assert!(matches!(open("new.txt", new), Err(WorkspaceError::Exists)));
        assert!(matches!(open("none/new.txt", new), Err(WorkspaceError::NotFound)));
        assert!(matches!(
            open("d", OpenOptions { truncate: true, ..write }),
            Err(WorkspaceError::IsADirectory)
        ));
        assert!(matches!(
            open("top.txt", OpenOptions { directory: true, ..OpenOptions::default() }),
            Err(WorkspaceError::NotADirectory)
        ));
        open("top.txt", OpenOptions { truncate: true, ..write }).unwrap();
        assert_eq!(project.content("top.txt").unwrap(), "");
        project.link("d/made.txt", "dangling");
        open("dangling", OpenOptions { create: Create::IfMissing, ..write }).unwrap();
        assert!(project.dir.path().join("d/made.txt").is_file(), "as open(2) does");
    }
}

#[test]
fn a_component_that_keeps_turning_into_a_link_never_leads_outside() {
    for project in projects() {
        let base: &Path = project.dir.path();
        fs::create_dir(base.join("real")).unwrap();
        fs::write(base.join("real/outside.txt"), "inside").unwrap();
        symlink("..", base.join("evil")).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let dir = fs::File::open(base).unwrap();
                    rustix::fs::renameat_with(&dir, "real", &dir, "evil", exchange).unwrap();
                }
            });
            for _ in 0..3_000 {
                if let Ok(content) = project.content("real/outside.txt") {
                    assert_eq!(content, "inside");
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}

#[test]
fn a_listing_is_in_order_and_can_be_taken_in_pieces() {
    for project in projects() {
        let all = ListOptions { depth: 9, limit: 100, after: None };
        let whole = project.root.list(&ProjectPath::root(), &all).unwrap();
        let names: Vec<_> = whole.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["d", "d/e", "d/f.txt", "top.txt"]);
        assert!(!whole.more);
        let mut pieces = Vec::new();
        let mut after = None;
        loop {
            let options = ListOptions { limit: 1, after: after.take(), ..all.clone() };
            let piece = project.root.list(&ProjectPath::root(), &options).unwrap();
            after = piece.entries.last().map(|entry| entry.path.clone());
            pieces.extend(piece.entries);
            if !piece.more {
                break;
            }
        }
        let pieces: Vec<_> = pieces.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(pieces, names);
    }
}
