//! What commits did is taken back, unless somebody built on it.

use longhouse_core::Verb;

use super::*;

impl Project {
    /// Takes back all commits from this one on, at once. Returns the paths at which something is in the way.
    pub(super) fn undo(&self, name: &str, from: u64) -> Vec<String> {
        let numbers: Vec<u64> = self.gate.commits().iter().map(|commit| commit.number.0).collect();
        let wanted: Vec<u64> = numbers.into_iter().filter(|number| *number >= from).collect();
        self.undo_of(name, &wanted, FileGrants::everything()).unwrap()
    }

    fn undo_of(
        &self,
        name: &str,
        numbers: &[u64],
        grants: FileGrants,
    ) -> Result<Vec<String>, WorkspaceError> {
        let run = self.run_with(name, &Arc::default(), grants, Quota { bytes: 1 << 20, entries: 1_000 });
        let mut in_the_way = Vec::new();
        for commit in self.gate.commits().iter().rev().filter(|commit| numbers.contains(&commit.number.0)) {
            for change in commit.redo.changes().iter().rev() {
                in_the_way.extend(run.view.take_back(change)?.map(|conflict| conflict.path.to_string()));
            }
        }
        if in_the_way.is_empty() {
            self.publish(&run).unwrap();
        }
        Ok(in_the_way)
    }

    /// Publishes what `change` does in a run of its own; returns the number of the commit.
    fn commit(&self, change: impl FnOnce(&Run)) -> u64 {
        let run = self.run(&format!("r{}", self.gate.commits().len() + 1));
        change(&run);
        self.publish(&run).unwrap().number.unwrap().0
    }
}

#[test]
fn a_commit_is_taken_back_and_taking_it_back_is_one_too() {
    let project = Project::new();
    let commit = project.commit(|run| {
        run.write("a.txt", "new");
        run.rename("d", "moved");
        run.write("moved/b.txt", "changed");
        run.write("fresh", "fresh");
        run.view.remove_file(&path("moved/e/c.txt")).unwrap();
    });
    assert_eq!(project.undo("u1", commit), [""; 0]);
    assert_eq!((project.read("a.txt"), project.read("d/b.txt")), ("a.txt".into(), "d/b.txt".into()));
    assert_eq!(project.read("d/e/c.txt"), "d/e/c.txt");
    assert!(!project.at("moved").exists() && !project.at("fresh").exists());
    // What was taken back comes again when that is.
    assert_eq!(project.undo_of("u3", &[commit + 1], FileGrants::everything()).unwrap(), [""; 0]);
    assert_eq!((project.read("a.txt"), project.read("moved/b.txt")), ("new".into(), "changed".into()));
    assert_eq!(project.read("fresh"), "fresh");
    assert!(!project.at("d").exists() && !project.at("moved/e/c.txt").exists());
}

#[test]
fn what_is_as_it_was_before_is_left_alone() {
    let project = Project::new();
    let commit = project.commit(|run| {
        run.write("a.txt", "new");
        run.view.remove_file(&path("d/b.txt")).unwrap();
        run.write("fresh", "fresh");
    });
    fs::write(project.at("a.txt"), "a.txt").unwrap();
    fs::write(project.at("d/b.txt"), "d/b.txt").unwrap();
    assert_eq!(project.undo("u1", commit), [""; 0]);
    assert!(!project.at("fresh").exists());
    assert_eq!(project.gate.commits()[1].redo.changes().len(), 1);
    assert_eq!(project.undo_of("u2", &[commit], FileGrants::everything()).unwrap(), [""; 0]);
    assert_eq!(project.gate.commits().len(), 2);
}

#[test]
fn what_others_built_on_is_not_taken_back() {
    let project = Project::new();
    let commit = project.commit(|run| {
        run.write("a.txt", "new");
        run.view.remove_file(&path("d/b.txt")).unwrap();
        run.view.create_dir(&path("dir")).unwrap();
        run.rename("d/e/c.txt", "dir/c.txt");
    });
    project.commit(|run| run.write("a.txt", "theirs"));
    fs::write(project.at("d/b.txt"), "somebody's").unwrap();
    fs::write(project.at("d/e/c.txt"), "another").unwrap();
    fs::write(project.at("dir/more"), "more").unwrap();
    let in_the_way = project.undo_of("u1", &[commit], FileGrants::everything()).unwrap();
    assert_eq!(in_the_way, ["d/e/c.txt", "dir", "d/b.txt", "a.txt"]);
    assert_eq!((project.read("a.txt"), project.read("d/b.txt")), ("theirs".into(), "somebody's".into()));
    let moved = project.commit(|run| run.rename("dir/more", "moved"));
    fs::write(project.at("moved"), "changed since").unwrap();
    assert_eq!(project.undo_of("u3", &[moved], FileGrants::everything()).unwrap(), ["moved"]);
    // The latest alone can be.
    assert_eq!(project.undo_of("u2", &[commit + 1], FileGrants::everything()).unwrap(), [""; 0]);
    assert_eq!(project.read("a.txt"), "new");
}

#[test]
fn where_there_is_no_directory_any_more_nothing_is_put_back() {
    let project = Project::new();
    let commit = project.commit(|run| run.view.remove_file(&path("d/e/c.txt")).unwrap());
    fs::remove_dir(project.at("d/e")).unwrap();
    assert_eq!(project.undo("u1", commit), ["d/e/c.txt"]);
    fs::write(project.at("d/e"), "a file").unwrap();
    assert_eq!(project.undo("u2", commit), ["d/e/c.txt"]);
}

#[test]
fn what_the_history_no_longer_keeps_is_not_put_back() {
    let project = Project::new();
    let commit = project.commit(|run| run.write("a.txt", "new"));
    let kept = fs::read_dir(project.at(".longhouse/history")).unwrap().next().unwrap().unwrap();
    fs::remove_file(kept.path()).unwrap();
    let undone = project.undo_of("u1", &[commit], FileGrants::everything());
    assert!(matches!(undone, Err(WorkspaceError::NotKept)), "{undone:?}");
    assert_eq!(project.read("a.txt"), "new");
}

#[test]
fn taking_back_needs_the_rights_that_doing_it_would() {
    let project = Project::new();
    let written = project.commit(|run| run.write("a.txt", "new"));
    let made = project.commit(|run| run.write("fresh", "new"));
    let removed = project.commit(|run| run.view.remove_file(&path("d/b.txt")).unwrap());
    let moved = project.commit(|run| run.rename("d/e/c.txt", "moved"));
    for (commit, verb, at) in [
        (written, Verb::Write, "a.txt"),
        (made, Verb::Delete, "fresh"),
        (removed, Verb::Create, "d/b.txt"),
        (moved, Verb::Delete, "moved"),
        (moved, Verb::Create, "d/e/c.txt"),
    ] {
        let everything = FileGrants::everything();
        let given = |of: Verb| if of == verb { Vec::new() } else { everything.read.clone() };
        let grants = FileGrants {
            write: given(Verb::Write),
            create: Some(given(Verb::Create)),
            delete: Some(given(Verb::Delete)),
            ..everything.clone()
        };
        match project.undo_of("u1", &[commit], grants) {
            Err(WorkspaceError::NotGranted { verb: lacking, path }) => {
                assert_eq!((lacking, path.as_str()), (verb, at), "{verb:?} of {commit}");
            }
            other => panic!("{verb:?} of {commit}: {other:?}"),
        }
    }
    assert_eq!(project.undo("u2", written), [""; 0]);
}
