//! The private directory: not by name, not by link, not by inode.

use super::*;

#[test]
fn nothing_beneath_a_link_to_the_private_directory_can_be_touched() {
    for project in projects() {
        project.link(".longhouse", "l");
        project.link("../.longhouse", "d/l");
        project.link("d/l", "chain");
        project.link("./d/../.longhouse/.", "winding");
        project.link("d/../.longhouse/../.longhouse/", "there-and-back");
        for link in ["l", "d/l", "chain", "winding", "there-and-back"] {
            for name in ["longhouse.db", "new.txt"] {
                let target = path(&format!("{link}/{name}"));
                assert_eq!(doors(&project.view, &target), [""; 0], "{target}");
            }
        }
        project.assert_unharmed();
    }
}

#[test]
fn a_link_to_the_private_directory_leads_nowhere_but_is_there_itself() {
    for target in [".longhouse", ".longhouse/longhouse.db", ".longhouse/new.txt"] {
        for project in projects() {
            project.link(target, "l");
            let through = doors(&project.view, &path("l"));
            assert!(through.iter().all(|door| DOORS_ON_LINKS.contains(door)), "{target}: {through:?}");
            project.assert_unharmed();
        }
    }
}

#[test]
fn under_another_name_it_does_not_exist_either() {
    for project in projects() {
        fs::rename(project.at(".longhouse"), project.at("d/renamed")).unwrap();
        for text in ["d/renamed", "d/renamed/longhouse.db", "d/renamed/new.txt"] {
            let target = path(text);
            let through = doors(&project.view, &target);
            assert_eq!(through, [""; 0], "{target}");
        }
        assert_eq!(project.names("d"), ["d/e", "d/f.txt"]);
        fs::rename(project.at("d/renamed"), project.at(".longhouse")).unwrap();
        project.assert_unharmed();
    }
}

#[test]
fn a_directory_of_that_name_is_hidden_wherever_it_is() {
    for project in projects() {
        fs::create_dir(project.at("d/.longhouse")).unwrap();
        assert_eq!(project.names("d"), ["d/e", "d/f.txt"]);
        let children: Vec<_> = project.view.read_dir(&path("d")).unwrap().map(Result::unwrap).collect();
        assert!(children.iter().all(|child| child.name != ".longhouse"), "{children:?}");
        let removed = project.view.remove_dir(&path("d"));
        assert!(matches!(removed, Err(WorkspaceError::NotEmpty)), "{removed:?}");
    }
}
