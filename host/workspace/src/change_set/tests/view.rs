//! What a run sees, and what it may.

use longhouse_core::{PathPattern, Verb};

use super::*;

#[test]
fn nothing_is_in_the_project_before_it_is_published_and_all_of_it_then() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.write("a.txt", "changed");
    run.write("new", "made");
    run.view.create_dir(&path("made")).unwrap();
    run.rename("d/e", "made/e");
    run.append("made/e/c.txt", "+more");
    run.view.symlink("../a.txt", &path("made/link")).unwrap();
    run.view.copy_file(&path("made/e/c.txt"), Follow::Last, &path("copy")).unwrap();
    run.view.remove_file(&path("d/b.txt")).unwrap();
    assert_eq!(run.names("made"), ["made/e", "made/link"]);
    assert_eq!(run.read("made/link"), "changed");
    assert!(!run.is_there("d/e") && !run.is_there("d/b.txt") && run.is_there("d"));
    let before: Vec<_> = ["a.txt", "d/b.txt", "d/e/c.txt"].map(|file| project.read(file)).into();
    assert_eq!(before, ["a.txt", "d/b.txt", "d/e/c.txt"]);
    assert!(!project.at("new").exists() && !project.at("made").exists());
    let committed = project.publish(&run).unwrap();
    assert!(committed.number.is_some());
    assert_eq!((project.read("a.txt"), project.read("copy")), ("changed".into(), "d/e/c.txt+more".into()));
    assert_eq!(project.read("made/e/c.txt"), "d/e/c.txt+more");
    assert_eq!(project.read("made/link"), "changed");
    assert_eq!(fs::read_dir(project.at("d")).unwrap().count(), 0);
}

#[test]
fn a_run_that_is_dropped_leaves_nothing() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.write("a.txt", "changed");
    run.view.create_dir(&path("made")).unwrap();
    run.write("made/new", "made");
    assert!(project.staged() > 0);
    drop(run);
    assert_eq!((project.staged(), project.read("a.txt")), (0, "a.txt".into()));
}

#[test]
fn what_changes_nothing_is_no_commit() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.write("a.txt", "a.txt");
    run.write("tmp", "x");
    run.view.remove_file(&path("tmp")).unwrap();
    run.rename("d", "away");
    run.rename("away", "d");
    assert_eq!(project.publish(&run).unwrap().number, None);
    drop(run);
    assert_eq!(project.staged(), 0);
    assert!(!project.at("tmp").exists());
}

#[test]
fn things_change_places() {
    let project = Project::new();
    fs::create_dir(project.at("f")).unwrap();
    fs::write(project.at("f/only"), "in f").unwrap();
    let run = project.run("r1-1");
    for (from, to) in
        [("d", "t"), ("f", "d"), ("t", "f"), ("a.txt", "t"), ("f/b.txt", "a.txt"), ("t", "f/b.txt")]
    {
        run.rename(from, to);
    }
    project.publish(&run).unwrap();
    assert_eq!((project.read("d/only"), project.read("f/e/c.txt")), ("in f".into(), "d/e/c.txt".into()));
    assert_eq!((project.read("a.txt"), project.read("f/b.txt")), ("d/b.txt".into(), "a.txt".into()));
}

#[test]
fn what_is_moved_out_of_a_directory_that_moves_arrives_too() {
    for moves in [[("d/e", "0"), ("d", "moved")], [("d", "moved"), ("moved/e", "0")]] {
        let project = Project::new();
        let run = project.run("r1-1");
        for (from, to) in moves {
            run.rename(from, to);
        }
        project.publish(&run).unwrap();
        assert_eq!(
            (project.read("0/c.txt"), project.read("moved/b.txt")),
            ("d/e/c.txt".into(), "d/b.txt".into())
        );
        assert!(!project.at("d").exists() && !project.at("moved/e").exists());
    }
}

#[test]
fn what_is_in_a_directory_that_moved_can_be_removed_with_its_directory() {
    let project = Project::new();
    let run = project.run("r1-1");
    run.rename("d", "moved");
    run.view.remove_file(&path("moved/e/c.txt")).unwrap();
    run.view.remove_dir(&path("moved/e")).unwrap();
    project.publish(&run).unwrap();
    assert_eq!(project.read("moved/b.txt"), "d/b.txt");
    assert!(!project.at("moved/e").exists() && !project.at("d").exists());
}

#[test]
fn a_directory_is_reserved_with_all_that_is_beneath() {
    let project = Project::new();
    let reserved = |change: &dyn Fn(&Run)| {
        let run = project.run("r1-1");
        change(&run);
        run.set.plan(project.workspace.root()).unwrap().changes()
    };
    let removed = reserved(&|run| {
        run.view.remove_file(&path("d/e/c.txt")).unwrap();
        run.view.remove_dir(&path("d/e")).unwrap();
    });
    assert_eq!((removed.entries, removed.subtrees), (vec![], vec![path("d/e")]));
    let moved = reserved(&|run| run.rename("d", "moved"));
    assert_eq!((moved.entries, moved.subtrees), (vec![], vec![path("moved"), path("d")]));
    let written = reserved(&|run| run.write("d/b.txt", "new"));
    assert_eq!((written.entries, written.subtrees), (vec![path("d/b.txt")], vec![]));
}

#[test]
fn ten_thousand_files_move_with_their_directory_at_once() {
    let project = Project::new();
    fs::create_dir(project.at("many")).unwrap();
    for n in 0..10_000 {
        fs::write(project.at(&format!("many/{n}")), "").unwrap();
    }
    let run = project.run("r1-1");
    run.rename("many", "moved");
    run.write("moved/1", "changed");
    assert_eq!(run.names("moved").len(), 10_000);
    assert_eq!(project.staged(), 1, "only what was written was copied");
    project.publish(&run).unwrap();
    assert_eq!(project.read("moved/1"), "changed");
    assert_eq!(fs::read_dir(project.at("moved")).unwrap().count(), 10_000);
}

#[test]
fn what_is_staged_has_a_limit_and_what_went_does_not_count() {
    let project = Project::new();
    let reader = Arc::default();
    let quota = Quota { bytes: 100, entries: 3 };
    let run = project.run_with("r1-1", &reader, FileGrants::everything(), quota);
    let open = |text: &str| {
        let options = OpenOptions { write: true, create: Create::IfMissing, ..OpenOptions::default() };
        run.open(text, options)
    };
    let grow = |opened: &Opened, end: u64| {
        opened.own.as_ref().unwrap().grow(&opened.file, end).map(|()| opened.file.set_len(end).unwrap())
    };
    let one = open("one").unwrap();
    grow(&one, 90).unwrap();
    let two = open("two").unwrap();
    assert!(matches!(grow(&two, 11), Err(WorkspaceError::Quota { what: "bytes", .. })));
    grow(&two, 10).unwrap();
    run.view.remove_file(&path("one")).unwrap();
    assert!(grow(&two, 11).is_err(), "it is open still");
    drop(one);
    grow(&two, 100).unwrap();
    assert!(matches!(open("a.txt"), Err(WorkspaceError::Quota { .. })), "a copy counts, too");
    open("three").unwrap();
    open("four").unwrap();
    assert!(matches!(open("five"), Err(WorkspaceError::Quota { what: "entries", .. })));
}

#[test]
fn what_may_not_be_done_any_more_is_not_published() {
    let project = Project::new();
    let everything = FileGrants::everything();
    let (src, own) =
        (|texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<PathPattern>>(), 1);
    for (n, (verb, change)) in [
        (Verb::Write, (&|run: &Run| run.write("a.txt", "x")) as &dyn Fn(&Run)),
        (Verb::Create, &|run: &Run| run.write("new", "x")),
        (Verb::Delete, &|run: &Run| run.view.remove_file(&path("a.txt")).unwrap()),
        (Verb::Read, &|run: &Run| run.rename("d", "moved")),
        (Verb::Delete, &|run: &Run| run.rename("a.txt", "moved")),
    ]
    .into_iter()
    .enumerate()
    {
        let run = project.run(&format!("r{own}-{n}"));
        change(&run);
        let given = |it| if it == verb { src(&["elsewhere"]) } else { src(&["**"]) };
        let grants = FileGrants {
            read: given(Verb::Read),
            write: given(Verb::Write),
            create: Some(given(Verb::Create)),
            delete: Some(given(Verb::Delete)),
            ..everything.clone()
        };
        let view = View::new(Arc::clone(project.workspace.root()), Arc::new(grants));
        let author = Authorship::of("someone".parse().unwrap());
        let refused = project.workspace.publish(&view, author, &run.set, None);
        let Err(CommitError::Path { source: WorkspaceError::NotGranted { verb: missing, .. }, .. }) = refused
        else {
            panic!("{verb:?}: {refused:?}")
        };
        assert_eq!(missing, verb);
        assert_eq!(project.read("a.txt"), "a.txt");
    }
}

#[test]
fn what_is_hidden_stays_so_in_a_directory_that_was_moved() {
    let project = Project::new();
    let deny = vec!["d/secret".parse().unwrap()];
    let grants = FileGrants { deny, ..FileGrants::everything() };
    let run = project.run_with("r1-1", &Arc::default(), grants, Quota { bytes: 100, entries: 9 });
    run.rename("d", "moved");
    // It came to be when the move had been made.
    fs::write(project.at("d/secret"), "secret").unwrap();
    assert_eq!(run.names("moved"), ["moved/b.txt", "moved/e"]);
    assert!(!run.is_there("moved/secret"));
    assert!(run.view.read_file(&path("moved/secret")).is_err());
}

#[test]
fn links_lead_to_what_is_in_the_project_and_may_be_known_of() {
    let project = Project::new();
    let deny = vec!["d/e".parse().unwrap()];
    let grants = FileGrants { deny, ..FileGrants::everything() };
    let run = project.run_with("r1-1", &Arc::default(), grants, Quota { bytes: 100, entries: 9 });
    let link = |target: &str, at: &str| run.view.symlink(target, &path(at));
    for target in ["/etc", "../x", "d/../../x"] {
        assert!(matches!(link(target, "l"), Err(WorkspaceError::OutsideProject)), "{target}");
    }
    for target in [".longhouse", "d/../.longhouse/x", "d/e", "d/e/c.txt", ""] {
        assert!(matches!(link(target, "l"), Err(WorkspaceError::NotFound)), "{target}");
    }
    link("not/there/yet", "l").unwrap();
    link("../a.txt", "d/up").unwrap();
    assert_eq!(run.read("d/up"), "a.txt");
    // A link that led nowhere when it was made may lead out when it is published.
    link("there/x", "later").unwrap();
    std::os::unix::fs::symlink("..", project.at("there")).unwrap();
    let refused = project.publish(&run);
    assert!(
        matches!(&refused, Err(CommitError::Path { path, .. }) if path.as_str() == "later"),
        "{refused:?}"
    );
}
