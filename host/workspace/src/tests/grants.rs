//! Every door against every right: each opens with what it needs, and with nothing less.

use longhouse_core::{PathPattern, Verb};

use super::*;

fn globs(texts: &[&str]) -> Vec<PathPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

impl Project {
    /// The same directory, as those with these grants see it.
    fn seen_with(&self, grants: FileGrants) -> View {
        changing(&View::new(Arc::clone(&self.view.root), Arc::new(grants)))
    }
}

/// These verbs for these globs, and nothing else.
fn only(verbs: &[Verb], texts: &[&str]) -> FileGrants {
    let given = |verb| if verbs.contains(&verb) { globs(texts) } else { Vec::new() };
    FileGrants {
        read: given(Verb::Read),
        write: given(Verb::Write),
        create: Some(given(Verb::Create)),
        delete: Some(given(Verb::Delete)),
        ..FileGrants::default()
    }
}

fn all_but(texts: &[&str]) -> FileGrants {
    FileGrants { deny: globs(texts), ..FileGrants::everything() }
}

#[test]
fn each_door_to_a_file_opens_with_its_right_alone() {
    const SEEN: [&str; 2] = ["stat", "stat link"];
    for (verbs, expected) in [
        (&[][..], &[][..]),
        (&[Verb::Read], &["read", "open", "open unfollowed"]),
        (&[Verb::Write], &["write", "truncate", "create", "set times", "set link's times"]),
        (&[Verb::Create], &[]),
        (&[Verb::Delete], &["remove file"]),
        (&[Verb::Read, Verb::Delete], &["read", "open", "open unfollowed", "remove file"]),
    ] {
        for project in projects() {
            let view = project.seen_with(only(verbs, &["d/f.txt"]));
            let mut expected: Vec<&str> = expected.to_vec();
            if !verbs.is_empty() {
                expected.extend(SEEN);
            }
            let mut through = doors(&view, &path("d/f.txt"));
            through.sort_unstable();
            expected.sort_unstable();
            assert_eq!(through, expected, "{verbs:?}");
        }
    }
}

#[test]
fn each_door_to_what_is_not_there_needs_the_right_to_create() {
    for project in projects() {
        let view = project.seen_with(only(&[Verb::Read, Verb::Write, Verb::Delete], &["**"]));
        for text in ["new", "d/new"] {
            assert_eq!(doors(&view, &path(text)), [""; 0], "{text}");
            assert!(!project.at(text).exists());
        }
        let view = project.seen_with(only(&[Verb::Create], &["d/*"]));
        let create = OpenOptions { write: true, create: Create::New, ..OpenOptions::default() };
        view.open_at(&path("d/new"), create).unwrap();
        view.create_dir(&path("d/made")).unwrap();
        assert!(matches!(view.open_at(&path("new"), create), Err(WorkspaceError::NotGranted { .. })));
        assert!(matches!(view.create_dir(&path("d/made/more")), Err(WorkspaceError::NotGranted { .. })));
        let both = OpenOptions { read: true, ..create };
        let refused = view.open_at(&path("d/both"), both);
        assert!(matches!(refused, Err(WorkspaceError::NotGranted { verb: Verb::Read, .. })), "{refused:?}");
    }
}

#[test]
fn a_denied_path_does_not_exist_however_one_comes_to_it() {
    for project in projects() {
        project.link("d/f.txt", "to-file");
        project.link("d", "to-directory");
        let view = project.seen_with(all_but(&["d/f.txt"]));
        for text in ["d/f.txt", "to-file", "to-directory/f.txt"] {
            let through = doors(&view, &path(text));
            let on_links: &[&str] = if text == "to-file" { &DOORS_ON_LINKS } else { &[] };
            assert!(through.iter().all(|door| on_links.contains(door)), "{text}: {through:?}");
        }
        for text in ["d/f.txt/..", "d/f.txt/../f.txt", "d/f.txt/"] {
            assert!(view.locate(&ProjectPath::root(), text).is_err(), "{text}");
        }
        let names: Vec<_> = view.read_dir(&path("d")).unwrap().map(|child| child.unwrap().name).collect();
        assert!(!names.contains(&"f.txt".to_owned()), "{names:?}");
        assert!(matches!(view.remove_dir(&path("d")), Err(WorkspaceError::NotEmpty)));
        assert_eq!(fs::read_to_string(project.at("d/f.txt")).unwrap(), "content");
        project.assert_unharmed();
    }
}

#[test]
fn nothing_beneath_a_denied_directory_exists_nor_comes_to_be() {
    for project in projects() {
        let view = project.seen_with(all_but(&["d"]));
        for text in ["d", "d/f.txt", "d/e", "d/new"] {
            assert_eq!(doors(&view, &path(text)), [""; 0], "{text}");
        }
        let listed =
            view.list(&ProjectPath::root(), &ListOptions { depth: 9, limit: 99, after: None }).unwrap();
        let listed: Vec<&str> = listed.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(listed, ["top.txt"]);
        assert_eq!(fs::read_dir(project.at("d")).unwrap().count(), 2);
    }
}

#[test]
fn a_link_gives_no_right_to_what_it_leads_to_nor_takes_one() {
    for project in projects() {
        project.link("top.txt", "d/link");
        // The link is granted, its target is not: it is there, and leads nowhere.
        let view = project.seen_with(only(&Verb::ALL, &["d/**"]));
        assert_eq!(view.read_link(&path("d/link")).unwrap(), "top.txt");
        assert!(matches!(view.read_file(&path("d/link")), Err(WorkspaceError::NotFound)));
        // The target is granted, the link is not.
        let view = project.seen_with(only(&Verb::ALL, &["top.txt"]));
        assert!(view.read_file(&path("top.txt")).is_ok());
        assert!(matches!(view.read_file(&path("d/link")), Err(WorkspaceError::NotFound)));
    }
}

#[test]
fn a_directory_goes_nowhere_while_it_has_an_entry_that_may_not() {
    for project in projects() {
        for hidden in ["d/e", "d/f.txt", "moved/f.txt", "moved/e"] {
            let view = project.seen_with(all_but(&[hidden]));
            let moved = view.rename(&path("d"), &path("moved"));
            assert!(matches!(moved, Err(WorkspaceError::NotEmpty)), "{hidden}: {moved:?}");
            assert_eq!(project.names("d"), ["d/e", "d/f.txt"]);
        }
        let view = project.seen_with(all_but(&["d/e/deep"]));
        fs::write(project.at("d/e/deep"), "hidden").unwrap();
        assert!(matches!(view.rename(&path("d"), &path("moved")), Err(WorkspaceError::NotEmpty)));
        fs::remove_file(project.at("d/e/deep")).unwrap();
        view.rename(&path("d"), &path("moved")).unwrap();
        let names: Vec<_> = view.read_dir(&path("moved")).unwrap().map(|child| child.unwrap().name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

#[test]
fn moving_needs_reading_and_deleting_here_and_creating_or_writing_there() {
    for project in projects() {
        for (missing, to) in [
            (Verb::Read, "new.txt"),
            (Verb::Delete, "new.txt"),
            (Verb::Create, "new.txt"),
            (Verb::Write, "d/f.txt"),
        ] {
            let verbs: Vec<Verb> = Verb::ALL.into_iter().filter(|verb| *verb != missing).collect();
            let moved = project.seen_with(only(&verbs, &["**"])).rename(&path("top.txt"), &path(to));
            assert!(
                matches!(moved, Err(WorkspaceError::NotGranted { verb, .. }) if verb == missing),
                "{missing:?}: {moved:?}"
            );
            assert_eq!(fs::read_to_string(project.at("top.txt")).unwrap(), "top");
        }
        let replaces = only(&[Verb::Read, Verb::Write, Verb::Delete], &["**"]);
        let view = project.seen_with(replaces);
        view.rename(&path("top.txt"), &path("d/f.txt")).unwrap();
        assert_eq!(std::io::read_to_string(view.read_file(&path("d/f.txt")).unwrap().file).unwrap(), "top");
    }
}
