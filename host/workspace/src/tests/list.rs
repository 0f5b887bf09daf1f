//! Listings.

use super::*;

fn whole() -> ListOptions {
    ListOptions { depth: u32::MAX, limit: 1_000, after: None }
}

fn paths(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[test]
fn a_listing_is_in_order_goes_as_deep_as_it_is_told_and_follows_no_link() {
    for project in projects() {
        project.link("d", "again");
        project.link(".longhouse", "l");
        fs::write(project.at("d.txt"), "").unwrap();
        let list =
            |depth| project.view.list(&ProjectPath::root(), &ListOptions { depth, ..whole() }).unwrap();
        assert_eq!(paths(&list(1)), ["again", "d", "d.txt", "l", "top.txt"]);
        assert_eq!(paths(&list(2)), ["again", "d", "d/e", "d/f.txt", "d.txt", "l", "top.txt"]);
        assert!(!list(9).more);
        let beneath = project.view.list(&path("again"), &whole()).unwrap();
        assert_eq!(paths(&beneath), ["again/e", "again/f.txt"], "but the directory itself may be one");
        let on_file = project.view.list(&path("top.txt"), &whole());
        assert!(matches!(on_file, Err(WorkspaceError::NotADirectory)));
    }
}

#[test]
fn pieces_of_every_size_add_up_to_the_whole() {
    for project in projects() {
        for directory in ["a", "a/b", "a/b/c", "a-", "d/e/z"] {
            fs::create_dir_all(project.at(directory)).unwrap();
            fs::write(project.at(directory).join("file"), "").unwrap();
        }
        let all = project.view.list(&ProjectPath::root(), &whole()).unwrap();
        assert_eq!(all.entries.len(), 14);
        for limit in 1..=14 {
            let mut pieces = Vec::new();
            let mut after = None;
            loop {
                let options = ListOptions { limit, after, ..whole() };
                let piece = project.view.list(&ProjectPath::root(), &options).unwrap();
                after = piece.entries.last().map(|entry| entry.path.clone());
                pieces.extend(piece.entries.into_iter().map(|entry| entry.path));
                if !piece.more {
                    break;
                }
            }
            assert_eq!(pieces.iter().map(ProjectPath::as_str).collect::<Vec<_>>(), paths(&all), "by {limit}");
        }
    }
}

#[test]
fn a_name_that_is_no_text_is_left_out() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    for project in projects() {
        fs::write(project.at(OsStr::from_bytes(b"d/\xff")), "").unwrap();
        assert_eq!(project.names("d"), ["d/e", "d/f.txt"]);
    }
}
