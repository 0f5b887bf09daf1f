//! Links are followed by us: within the project, and nowhere else.

use super::*;

#[test]
fn links_inside_the_project_are_followed() {
    for project in projects() {
        project.link("d/f.txt", "file");
        project.link("d", "dir");
        project.link("d/", "dir-with-slash");
        project.link("../top.txt", "d/up");
        project.link("dir/up", "chain");
        for (text, expected) in [
            ("file", "content"),
            ("dir/f.txt", "content"),
            ("dir-with-slash/f.txt", "content"),
            ("d/up", "top"),
            ("chain", "top"),
            ("dir/e/../f.txt", "content"),
        ] {
            assert_eq!(project.content(text).unwrap(), expected, "{text}");
        }
        let opened = project.view.read_file(&path("dir/f.txt")).unwrap();
        assert_eq!(opened.path, path("d/f.txt"), "the resolved path is reported");
        assert_eq!(project.names("dir"), ["dir/e", "dir/f.txt", "dir/up"]);
    }
}

#[test]
fn links_out_of_the_project_lead_nowhere() {
    for project in projects() {
        let inside = project.at("top.txt");
        let targets = [
            "..",
            "../",
            "../outside.txt",
            "../project/top.txt",
            "d/../../outside.txt",
            "/",
            "/etc",
            "/etc/passwd",
            "/proc/self/root",
            inside.to_str().unwrap(),
        ];
        for (n, target) in targets.into_iter().enumerate() {
            project.link(target, &format!("out{n}"));
            project.link(&format!("../out{n}"), &format!("d/chain{n}"));
            for link in [format!("out{n}"), format!("d/chain{n}")] {
                for suffix in ["", "/outside.txt", "/new.txt", "/passwd", "/top.txt"] {
                    let text = format!("{link}{suffix}");
                    let result = project.content(&text);
                    assert!(
                        matches!(result, Err(WorkspaceError::OutsideProject)),
                        "{target} {text}: {result:?}"
                    );
                    if !suffix.is_empty() {
                        assert_eq!(doors(&project.view, &path(&text)), [""; 0], "{target} {text}");
                    }
                }
            }
        }
        project.assert_unharmed();
    }
}

#[test]
fn a_link_out_of_the_project_is_there_itself() {
    for target in ["../outside.txt", "../new.txt", "/etc/hostname"] {
        for project in projects() {
            project.link(target, "out");
            let through = doors(&project.view, &path("out"));
            assert!(through.iter().all(|door| DOORS_ON_LINKS.contains(door)), "{target}: {through:?}");
            project.assert_unharmed();
        }
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
fn forty_links_are_followed_and_no_more() {
    for project in projects() {
        project.link("top.txt", "1");
        for n in 2..=41 {
            project.link(&format!("{}", n - 1), &n.to_string());
        }
        assert_eq!(project.content("40").unwrap(), "top");
        assert!(matches!(project.content("41"), Err(WorkspaceError::TooManyLinks)));
        assert_eq!(fs::read_to_string(project.at("40")).unwrap(), "top", "as Linux does");
        assert!(fs::read_to_string(project.at("41")).is_err(), "as Linux does");
    }
}
