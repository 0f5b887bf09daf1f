//! Changing what directories hold.

use super::*;

#[test]
fn changes_follow_links_on_the_way_and_act_on_the_last_name() {
    for project in projects() {
        let view = &project.view;
        let kind = |text: &str| view.stat(&path(text), Follow::No).map(|stat| stat.kind);
        project.link("d", "dir");
        project.link("f.txt", "d/link");
        view.create_dir(&path("dir/made")).unwrap();
        assert_eq!(kind("d/made").unwrap(), Kind::Directory);
        view.rename(&path("dir/link"), &path("dir/made/moved")).unwrap();
        assert_eq!(view.read_link(&path("d/made/moved")).unwrap(), "f.txt");
        view.remove_file(&path("dir/made/moved")).unwrap();
        assert_eq!(kind("d/f.txt").unwrap(), Kind::File, "what it led to is left");
        view.remove_dir(&path("dir/made")).unwrap();
        assert!(matches!(kind("d/made"), Err(WorkspaceError::NotFound)));
        assert!(project.at("d/link").is_symlink() && !project.at("d/made").exists(), "nothing is published");
    }
}

#[test]
fn refusals_say_what_is_in_the_way() {
    for project in projects() {
        let view = &project.view;
        let busy = |result: Result<(), WorkspaceError>| matches!(result, Err(WorkspaceError::Io(_)));
        assert!(matches!(view.create_dir(&path("d")), Err(WorkspaceError::Exists)));
        assert!(matches!(view.create_dir(&path("none/x")), Err(WorkspaceError::NotFound)));
        assert!(matches!(view.create_dir(&path("top.txt/x")), Err(WorkspaceError::NotADirectory)));
        assert!(matches!(view.remove_dir(&path("d")), Err(WorkspaceError::NotEmpty)));
        assert!(matches!(view.remove_dir(&path("top.txt")), Err(WorkspaceError::NotADirectory)));
        assert!(matches!(view.remove_file(&path("d")), Err(WorkspaceError::IsADirectory)));
        assert!(matches!(view.rename(&path("none"), &path("x")), Err(WorkspaceError::NotFound)));
        assert!(matches!(view.rename(&path("top.txt"), &path("d")), Err(WorkspaceError::IsADirectory)));
        for result in [
            view.create_dir(&ProjectPath::root()),
            view.remove_dir(&ProjectPath::root()),
            view.rename(&ProjectPath::root(), &path("x")),
            view.rename(&path("d"), &ProjectPath::root()),
        ] {
            assert!(busy(result), "the root stays where it is");
        }
    }
}

#[test]
fn times_are_set_one_by_one() {
    for project in projects() {
        project.link("f.txt", "d/link");
        let set = |text: &str, follow, times| project.view.set_times(&path(text), follow, times).unwrap();
        let stat = |text: &str| project.view.stat(&path(text), Follow::No).unwrap();
        let at = |seconds| NewTime::At { seconds, nanoseconds: 5 };
        set("d/link", Follow::Last, Times { accessed: at(10), modified: at(20) });
        assert_eq!((stat("d/f.txt").accessed, stat("d/f.txt").modified), ((10, 5), (20, 5)));
        set("d/f.txt", Follow::Last, Times { modified: at(30), ..Times::default() });
        assert_eq!((stat("d/f.txt").accessed.0, stat("d/f.txt").modified.0), (10, 30));
        set("d/f.txt", Follow::Last, Times { modified: NewTime::Now, ..Times::default() });
        assert!(stat("d/f.txt").modified.0 > 30);
        set("d/link", Follow::No, Times { modified: at(40), ..Times::default() });
        assert!(stat("d/f.txt").modified.0 > 40, "the link was meant");
        set("", Follow::Last, Times { modified: at(50), ..Times::default() });
        assert!(stat("").modified.0 > 50, "a directory of the project keeps its own");
        assert_eq!(fs::metadata(project.at("d/f.txt")).unwrap().len(), 7);
    }
}
