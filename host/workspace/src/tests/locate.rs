//! Paths as programs write them.

use super::*;

#[test]
fn dots_and_slashes_mean_what_they_mean_to_the_kernel() {
    for project in projects() {
        fs::create_dir(project.at("far")).unwrap();
        fs::create_dir(project.at("far/away")).unwrap();
        project.link("../far/away", "d/link");
        project.link("d/f.txt", "file");
        let locate = |text| project.view.locate(&path("d"), text);
        for (text, expected) in [
            ("f.txt", "d/f.txt"),
            ("./e//x", "d/e/x"),
            ("f.", "d/f."),
            ("e/.", "d/e"),
            ("e/", "d/e"),
            ("..", ""),
            ("../top.txt", "top.txt"),
            ("e/../f.txt", "d/f.txt"),
            ("e/../none", "d/none"),
            ("/top.txt", "top.txt"),
            ("/d/../top.txt", "top.txt"),
            ("link", "d/link"),
            ("link/", "far/away"),
            ("link/.", "far/away"),
            ("link/..", "far"),
            ("link/../x", "far/x"),
            ("e/../link", "d/link"),
        ] {
            assert_eq!(locate(text).unwrap(), path(expected), "{text:?}");
        }
        for text in ["", "none/", "none/..", "none/../f.txt"] {
            assert!(matches!(locate(text), Err(WorkspaceError::NotFound)), "{text:?}: {:?}", locate(text));
        }
        for text in ["f.txt/", "f.txt/.", "f.txt/..", "../file/", "../file/../top.txt"] {
            assert!(
                matches!(locate(text), Err(WorkspaceError::NotADirectory)),
                "{text:?}: {:?}",
                locate(text)
            );
        }
    }
}

#[test]
fn no_spelling_leads_to_the_private_directory() {
    for project in projects() {
        project.link(".longhouse", "l");
        project.link("../.longhouse", "d/l");
        for text in [
            ".longhouse",
            "./.longhouse",
            ".//.longhouse/",
            ".longhouse/.",
            ".longhouse/..",
            ".longhouse/../.longhouse",
            ".longhouse/longhouse.db",
            "d/../.longhouse",
            "d/e/../../.longhouse/longhouse.db",
            "/.longhouse",
            "l/",
            "l/.",
            "l/..",
            "l/../top.txt",
            "d/l/./longhouse.db/.",
            "d/l/../d/l/",
        ] {
            let located = project.view.locate(&ProjectPath::root(), text);
            assert!(matches!(located, Err(WorkspaceError::NotFound)), "{text:?}: {located:?}");
        }
    }
}

#[test]
fn no_spelling_leads_out_of_the_project() {
    for project in projects() {
        project.link("..", "up");
        project.link("/etc", "etc");
        for text in [
            "../..",
            "../../outside.txt",
            "/..",
            "e/../../..",
            "../up/",
            "../up/.",
            "../up/../top.txt",
            "../etc/..",
        ] {
            let located = project.view.locate(&path("d"), text);
            assert!(matches!(located, Err(WorkspaceError::OutsideProject)), "{text:?}: {located:?}");
        }
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for project in projects() {
        let long = "n".repeat(256);
        for text in ["a\0b", "e/../a\0b", &long, &format!("e/../{long}"), &"./".repeat(2_048)] {
            let located = project.view.locate(&path("d"), text);
            assert!(matches!(located, Err(WorkspaceError::Invalid(_))), "{text:?}: {located:?}");
        }
    }
}
