//! What changes between being found and being opened.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, RenameFlags, mknodat, renameat_with};

use super::*;
use crate::resolve::settle;

/// Attempts something while `real` and `evil` are exchanged again and again.
fn race(project: &Project, attempt: impl Fn(&View)) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let dir = fs::File::open(project.at("")).unwrap();
            while !done.load(Ordering::Relaxed) {
                renameat_with(&dir, "real", &dir, "evil", RenameFlags::EXCHANGE).unwrap();
            }
        });
        let _stop = StopOnDrop(&done);
        for _ in 0..500 {
            attempt(&project.view);
        }
    });
}

/// Ends the other thread when an attempt fails, too.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn reading_never_leads_away() {
    for (target, name) in [("..", "outside.txt"), (".longhouse", "longhouse.db"), ("/etc", "passwd")] {
        for project in projects() {
            fs::create_dir(project.at("real")).unwrap();
            project.link(target, "evil");
            race(&project, |view| {
                let (directory, file) = (path("real"), path("real").join(name).unwrap());
                if let Ok(opened) = view.read_file(&file) {
                    panic!("{target}: read {:?}", std::io::read_to_string(opened.file));
                }
                assert!(view.stat(&file, Follow::Last).is_err(), "{target}");
                assert!(view.entries(&directory).unwrap_or_default().is_empty(), "{target}");
            });
        }
    }
}

#[test]
fn changing_never_leads_away() {
    for (target, name) in [("..", "outside.txt"), (".longhouse", "longhouse.db")] {
        for project in projects() {
            fs::create_dir(project.at("real")).unwrap();
            project.link(target, "evil");
            race(&project, |view| {
                let (victim, new) = (path("real").join(name).unwrap(), path("real/new"));
                doors(view, &victim);
                doors(view, &new);
            });
            project.assert_unharmed();
        }
    }
}

#[test]
fn what_leads_there_either_way_is_read_or_unstable_and_nothing_else() {
    for project in projects() {
        fs::create_dir(project.at("real")).unwrap();
        fs::write(project.at("real/f.txt"), "content").unwrap();
        project.link("d", "evil");
        race(&project, |_| match project.content("real/f.txt") {
            Ok(content) => assert_eq!(content, "content"),
            Err(error) => assert!(matches!(error, WorkspaceError::Unstable), "{error:?}"),
        });
    }
    for project in projects() {
        fs::write(project.at("real"), "content").unwrap();
        project.link("d/f.txt", "evil");
        // Through another link, so that `real` is looked at twice.
        project.link("real", "link");
        race(&project, |_| match project.content("link") {
            Ok(content) => assert_eq!(content, "content"),
            Err(error) => assert!(matches!(error, WorkspaceError::Unstable), "{error:?}"),
        });
    }
}

#[test]
fn what_is_not_what_was_found_is_not_opened() {
    let truncate = OpenOptions {
        read: true,
        write: true,
        truncate: true,
        create: Create::IfMissing,
        ..OpenOptions::default()
    };
    let replacements: [fn(&Project); 8] = [
        |project| fs::rename(project.at("top.txt"), project.at("d/f.txt")).unwrap(),
        |project| fs::remove_file(project.at("d/f.txt")).unwrap(),
        |project| {
            fs::remove_file(project.at("d/f.txt")).unwrap();
            // To wait for its other end would be to wait for ever.
            mknodat(CWD, project.at("d/f.txt"), FileType::Fifo, 0o600.into(), 0).unwrap();
        },
        |project| {
            fs::remove_file(project.at("d/f.txt")).unwrap();
            project.link("../../outside.txt", "d/f.txt");
        },
        |project| {
            fs::rename(project.at("d/f.txt"), project.at("d/moved")).unwrap();
            project.link("moved", "d/f.txt");
        },
        |project| {
            fs::remove_file(project.at("d/f.txt")).unwrap();
            fs::create_dir(project.at("d/f.txt")).unwrap();
        },
        |project| {
            fs::rename(project.at("d"), project.at("moved")).unwrap();
            project.link("moved", "d");
        },
        |project| {
            fs::rename(project.at("d"), project.at("moved")).unwrap();
            fs::write(project.at("d"), "").unwrap();
        },
    ];
    for (n, replace) in replacements.into_iter().enumerate() {
        for options in [OpenOptions::default(), truncate] {
            for project in projects() {
                let found = project.view.find(&path("d/f.txt"), Follow::Last).unwrap();
                replace(&project);
                let opened = project.view.open_found(found, options);
                assert!(matches!(opened, Err(WorkspaceError::Unstable)), "{n}: {opened:?}");
                project.assert_unharmed();
                if let Ok(content) = project.content("d/f.txt") {
                    assert!(["top", "content"].contains(&content.as_str()), "{n}: nothing was cut");
                }
            }
        }
    }
}

#[test]
fn what_is_unstable_is_tried_again_but_not_for_ever() {
    let attempts = |stable_at: u32| {
        let mut attempts = 0;
        let result = settle(|| {
            attempts += 1;
            if attempts == stable_at { Ok(()) } else { Err(WorkspaceError::Unstable) }
        });
        (result.is_ok(), attempts)
    };
    assert_eq!(attempts(1), (true, 1));
    assert_eq!(attempts(8), (true, 8));
    assert_eq!(attempts(9), (false, 8));
}
