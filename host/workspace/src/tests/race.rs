//! A directory that is exchanged with a link again and again, while it is used.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{RenameFlags, renameat_with};

use super::*;

/// Uses `real/NAME` while `real` is now a directory and now a link to `target`, where such a name is too.
fn race(project: &Project, target: &str, attempt: impl Fn(&Root)) {
    fs::create_dir(project.at("real")).unwrap();
    project.link(target, "evil");
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
            attempt(&project.root);
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
            race(&project, target, |root| {
                let (directory, file) = (path("real"), path("real").join(name).unwrap());
                if let Ok(opened) = root.read_file(&file) {
                    panic!("{target}: read {:?}", std::io::read_to_string(opened.file));
                }
                assert!(root.stat(&file, Follow::Last).is_err(), "{target}");
                assert!(root.entries(&directory).unwrap_or_default().is_empty(), "{target}");
            });
        }
    }
}

#[test]
fn changing_never_leads_away() {
    for (target, name) in [("..", "outside.txt"), (".longhouse", "longhouse.db")] {
        for project in projects() {
            race(&project, target, |root| {
                let (victim, new) = (path("real").join(name).unwrap(), path("real/new"));
                doors(root, &victim);
                doors(root, &new);
            });
            project.assert_unharmed();
        }
    }
}
