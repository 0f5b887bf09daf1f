//! What somebody else changed meanwhile is never written over.

use super::*;

/// What is published by another run in one go.
fn meanwhile(project: &Project, change: impl FnOnce(&Run)) {
    let run = project.run("r9-9");
    change(&run);
    project.publish(&run).unwrap();
}

#[test]
fn what_was_read_and_changed_since_is_not_written_over() {
    let project = Project::new();
    let run = project.run("r1-1");
    assert_eq!(run.read("a.txt"), "a.txt");
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    run.write("a.txt", "mine");
    assert_eq!(run.read("a.txt"), "mine");
    assert_eq!(project.conflicts(&run), ["a.txt"]);
    assert_eq!(project.read("a.txt"), "theirs");
    // The set is kept: what stood in its way can go.
    meanwhile(&project, |other| other.write("a.txt", "a.txt"));
    project.publish(&run).unwrap();
    assert_eq!(project.read("a.txt"), "mine");
}

#[test]
fn the_same_content_again_is_the_same_version() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.append("a.txt", "+mine");
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    assert_eq!(project.conflicts(&run), ["a.txt"]);
    meanwhile(&project, |other| other.write("a.txt", "a.txt"));
    project.publish(&run).unwrap();
    assert_eq!(project.read("a.txt"), "a.txt+mine");
}

#[test]
fn two_that_append_at_once_do_not_lose_each_others_lines() {
    let project = Project::new();
    let (one, other) = (project.run("r1-1"), project.run("r1-2"));
    one.append("a.txt", "+one");
    other.append("a.txt", "+other");
    project.publish(&other).unwrap();
    assert_eq!(project.conflicts(&one), ["a.txt"]);
    assert_eq!(project.read("a.txt"), "a.txt+other");
}

#[test]
fn what_reads_and_renames_over_is_refused_like_what_writes() {
    let project = Project::new();
    let run = project.run("r1-1");
    let content = run.read("d/b.txt");
    run.write("d/tmp", &content.replace('b', "c"));
    meanwhile(&project, |other| other.write("d/b.txt", "theirs"));
    run.rename("d/tmp", "d/b.txt");
    assert_eq!(project.conflicts(&run), ["d/b.txt"]);
    assert_eq!(project.read("d/b.txt"), "theirs");
    assert!(!project.at("d/tmp").exists());
}

#[test]
fn what_an_agent_was_served_counts_for_its_next_run() {
    let project = Project::new();
    let reader = Arc::<Reader>::default();
    let first = project.run_of("r1-1", &reader);
    first.read("a.txt");
    first.set.tell_reader();
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    let second = project.run_of("r1-2", &reader);
    second.write("a.txt", "from what the first read");
    assert!(second.set.blind().is_empty());
    assert_eq!(project.conflicts(&second), ["a.txt"]);
    let second = project.run_of("r1-5", &reader);
    second.view.remove_file(&path("a.txt")).unwrap();
    assert_eq!(project.conflicts(&second), ["a.txt"], "nor is it removed unseen");
    // Who reads again may write again.
    let third = project.run_of("r1-3", &reader);
    third.read("a.txt");
    third.set.tell_reader();
    let fourth = project.run_of("r1-4", &reader);
    fourth.write("a.txt", "mine");
    project.publish(&fourth).unwrap();
    assert_eq!(project.read("a.txt"), "mine");
}

#[test]
fn what_is_served_while_a_run_lasts_outlives_what_the_run_read() {
    let project = Project::new();
    let reader = Arc::<Reader>::default();
    let long = project.run_of("r1-1", &reader);
    long.read("a.txt");
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    let opened = project.view().read_file(&path("a.txt")).unwrap();
    reader.served(path("a.txt"), Some(project.view().version(&opened).unwrap()));
    long.set.tell_reader();
    let next = project.run_of("r1-2", &reader);
    next.write("a.txt", "mine");
    project.publish(&next).unwrap();
}

#[test]
fn what_nobody_looked_at_is_replaced_with_a_warning() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.write("a.txt", "mine");
    run.append("d/b.txt", "+");
    run.write("new", "mine");
    assert_eq!(run.set.blind(), [path("a.txt")]);
    project.publish(&run).unwrap();
    let run = project.run("r1-2");
    run.write("a.txt", "again");
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    assert_eq!(project.conflicts(&run), ["a.txt"], "blind, but not that blind");
}

#[test]
fn what_was_not_there_is_not_replaced_when_it_came_to_be() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.write("new", "mine");
    run.view.create_dir(&path("made")).unwrap();
    meanwhile(&project, |other| {
        other.write("new", "theirs");
        other.write("made", "a file");
    });
    assert_eq!(project.conflicts(&run), ["made", "new"]);
    assert_eq!((project.read("new"), project.read("made")), ("theirs".into(), "a file".into()));
}

#[test]
fn what_is_found_changed_in_the_middle_is_refused_though_it_changes_back() {
    let project = Project::new();
    let run = project.run("r1-2");
    run.read("a.txt");
    meanwhile(&project, |other| other.write("a.txt", "theirs"));
    run.read("a.txt");
    meanwhile(&project, |other| other.write("a.txt", "a.txt"));
    run.write("a.txt", "mine");
    assert_eq!(project.conflicts(&run), ["a.txt"]);
}

#[test]
fn a_removed_directory_takes_nothing_with_it_that_was_not_seen() {
    let project = Project::new();
    let remove = |run: &Run| {
        run.view.remove_file(&path("d/e/c.txt")).unwrap();
        run.view.remove_dir(&path("d/e")).unwrap();
    };
    let run = project.run("r1-1");
    remove(&run);
    meanwhile(&project, |other| other.write("d/e/new", "theirs"));
    assert_eq!(project.conflicts(&run), ["d/e/new"]);
    let run = project.run("r1-2");
    run.view.remove_file(&path("d/e/new")).unwrap();
    remove(&run);
    meanwhile(&project, |other| other.write("d/e/c.txt", "theirs"));
    assert_eq!(project.conflicts(&run), ["d/e/c.txt"]);
    assert_eq!(project.read("d/e/c.txt"), "theirs");
    let run = project.run("r1-3");
    run.view.remove_file(&path("d/e/new")).unwrap();
    remove(&run);
    project.publish(&run).unwrap();
    assert!(!project.at("d/e").exists());
}

#[test]
fn a_file_that_took_the_place_of_a_removed_directory_stays() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.view.remove_file(&path("d/e/c.txt")).unwrap();
    run.view.remove_dir(&path("d/e")).unwrap();
    meanwhile(&project, |other| {
        other.rename("d/e", "away");
        other.write("d/e", "theirs");
    });
    assert_eq!(project.conflicts(&run), ["d/e"]);
    assert_eq!(project.read("d/e"), "theirs");
}

#[test]
fn what_a_run_that_was_dropped_replaced_unseen_is_as_unseen_after_it() {
    let project = Project::new();
    let reader = Arc::<Reader>::default();
    let dropped = project.run_of("r1-1", &reader);
    dropped.write("a.txt", "mine");
    dropped.view.remove_file(&path("d/b.txt")).unwrap();
    dropped.set.tell_reader();
    let run = project.run_of("r1-2", &reader);
    run.write("a.txt", "mine");
    run.write("d/b.txt", "mine");
    assert_eq!(run.set.blind(), [path("a.txt"), path("d/b.txt")]);
}

#[test]
fn a_moved_directory_takes_nothing_with_it_that_came_later() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.rename("d", "moved");
    meanwhile(&project, |other| other.write("d/new", "theirs"));
    assert_eq!(project.conflicts(&run), ["moved"]);
    assert_eq!(project.read("d/new"), "theirs");
}

#[test]
fn somebody_outside_is_not_written_over_either() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.append("a.txt", "+mine");
    run.append("d/b.txt", "+mine");
    fs::write(project.at("a.txt"), "edited in place").unwrap();
    assert_eq!(project.conflicts(&run), ["a.txt"]);
    assert_eq!(project.read("d/b.txt"), "d/b.txt", "all or nothing");
}

#[test]
fn what_was_served_and_is_gone_is_not_made_anew_before_its_agent_knows() {
    let project = Project::new();
    let reader = project.workspace.reader(&"someone".parse().unwrap());
    let serve = |at: &str| {
        let opened = project.view().read_file(&path(at)).unwrap();
        reader.served(path(at), Some(project.view().version(&opened).unwrap()));
    };
    serve("a.txt");
    serve("d/b.txt");
    fs::rename(project.at("a.txt"), project.at("elsewhere")).unwrap();
    let make = |name: &str, at: &str| {
        let run = project.run_of(name, &reader);
        run.write(at, "from what it was");
        run
    };
    assert_eq!(project.conflicts(&make("r1-1", "a.txt")), ["a.txt"]);
    // It was told.
    project.publish(&make("r1-2", "a.txt")).unwrap();
    // What it took away itself, it knows, and all that was beneath.
    let run = project.run_of("r1-3", &reader);
    run.rename("d", "moved");
    project.publish(&run).unwrap();
    fs::create_dir(project.at("d")).unwrap();
    let run = project.run_of("r1-4", &reader);
    run.write("d/b.txt", "anew");
    project.publish(&run).unwrap();
    assert_eq!((project.read("a.txt"), project.read("d/b.txt")), ("from what it was".into(), "anew".into()));
}

/// A run to which matters what it saw.
fn serializable(project: &Project, name: &str) -> Run {
    let quota = Quota { bytes: 1 << 20, entries: 100 };
    project.run_isolated(name, &Arc::default(), FileGrants::everything(), quota, Isolation::Serializable)
}

#[test]
fn what_is_hidden_does_not_matter_even_to_such_a_run() {
    let project = Project::new();
    let grants = FileGrants { deny: vec!["d".parse().unwrap()], ..FileGrants::everything() };
    let quota = Quota { bytes: 1 << 20, entries: 100 };
    let run = project.run_isolated("r1-1", &Arc::default(), grants, quota, Isolation::Serializable);
    for hidden in ["d/b.txt", "d/none", "d"] {
        assert!(run.view.read_file(&path(hidden)).is_err() && !run.is_there(hidden));
    }
    run.write("result", "of what is not hidden");
    fs::write(project.at("d/none"), "theirs").unwrap();
    project.publish(&run).unwrap();
}

/// What a run looks at, what changes meanwhile, and the path at which that is found.
type Look = (fn(&Run), fn(&Project), &'static str);

#[test]
fn what_was_only_looked_at_matters_to_a_run_that_says_so() {
    let read: fn(&Run) = |run| assert_eq!(run.read("a.txt"), "a.txt");
    let stat: fn(&Run) =
        |run| assert!(run.is_there("a.txt") && !run.is_there("new") && !run.is_there("x/new"));
    let list: fn(&Run) = |run| assert_eq!(run.names("d"), ["d/b.txt", "d/e"]);
    let miss: fn(&Run) = |run| assert!(run.view.read_file(&path("new")).is_err());
    let change: fn(&Project) = |project| fs::write(project.at("a.txt"), "theirs").unwrap();
    let make: fn(&Project) = |project| fs::write(project.at("new"), "theirs").unwrap();
    let add: fn(&Project) = |project| fs::write(project.at("d/new"), "theirs").unwrap();
    let take: fn(&Project) = |project| fs::remove_file(project.at("d/b.txt")).unwrap();
    let nothing: fn(&Project) = |_| ();
    let touch: fn(&Project) = |project| fs::write(project.at("d/b.txt"), "theirs").unwrap();
    let cases: [Look; 9] = [
        (read, change, "a.txt"),
        (stat, change, "a.txt"),
        (stat, make, "new"),
        (miss, make, "new"),
        (list, add, "d"),
        (list, take, "d"),
        (list, touch, ""),
        (read, make, ""),
        (stat, nothing, ""),
    ];
    for (look, meanwhile, found) in cases {
        for isolation in [Isolation::Writes, Isolation::Serializable] {
            let project = Project::new();
            let run = match isolation {
                Isolation::Writes => project.run("r1-1"),
                Isolation::Serializable => serializable(&project, "r1-1"),
            };
            look(&run);
            run.write("result", "of what was seen");
            meanwhile(&project);
            if found.is_empty() || isolation == Isolation::Writes {
                project.publish(&run).unwrap();
            } else {
                assert_eq!(project.conflicts(&run), [found]);
                assert!(!project.at("result").exists());
            }
        }
    }
}

#[test]
fn a_run_to_which_it_matters_sees_one_state_or_is_refused() {
    let project = Project::new();
    let run = serializable(&project, "r1-1");
    assert_eq!(run.names("d"), ["d/b.txt", "d/e"]);
    fs::write(project.at("d/new"), "theirs").unwrap();
    assert_eq!(run.names("d").len(), 3);
    fs::remove_file(project.at("d/new")).unwrap();
    run.write("result", "of both");
    assert_eq!(project.conflicts(&run), ["d"]);
}
