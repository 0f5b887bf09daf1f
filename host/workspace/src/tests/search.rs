//! Finding files by name and by content.

use std::time::{Duration, Instant};

use longhouse_core::PathPattern;

use super::*;

/// One of [`projects`], with this in it besides.
fn project(files: &[(&str, &str)]) -> Project {
    let [project, _] = projects();
    for (path, content) in files {
        let path = project.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    project
}

fn walked(view: &View, start: &str, options: WalkOptions) -> Vec<String> {
    view.files(&path(start), options).unwrap().map(|entry| entry.path.to_string()).collect()
}

fn options(lines: bool, limit: usize) -> GrepOptions {
    let deadline = Instant::now() + Duration::from_secs(60);
    GrepOptions { walk: WalkOptions::default(), context: (0, 0), lines, limit, deadline }
}

fn grep(text: &str) -> Grep {
    Grep::new(text, RegexOptions::default()).unwrap()
}

fn lines(found: &Found) -> Vec<(String, u64, &str)> {
    let of = |file: &FileMatches| file.path.to_string();
    found
        .files
        .iter()
        .flat_map(|file| file.lines.iter().map(move |it| (of(file), it.number, &*it.text)))
        .collect()
}

#[test]
fn a_walk_comes_to_every_file_in_the_order_of_a_listing() {
    let project = project(&[("d/e/x.rs", ""), ("d-2/a", ""), (".hidden/a", ""), ("d/.b", "")]);
    project.link("top.txt", "link");
    let all = walked(&project.view, "", WalkOptions::default());
    assert_eq!(all, ["d/e/x.rs", "d/f.txt", "d-2/a", "top.txt"]);
    let hidden = WalkOptions { hidden: true, ..WalkOptions::default() };
    assert_eq!(
        walked(&project.view, "", hidden),
        [".hidden/a", "d/.b", "d/e/x.rs", "d/f.txt", "d-2/a", "top.txt"]
    );
    assert_eq!(walked(&project.view, "d", WalkOptions::default()), ["d/e/x.rs", "d/f.txt"]);
    assert_eq!(
        walked(&project.view, "link", WalkOptions::default()),
        ["top.txt"],
        "a link is followed when named"
    );
    project.link("d", "to-d");
    let selection = Selection::new(path("to-d"), ["e/*.rs"]).unwrap();
    let options = WalkOptions { selection, ..WalkOptions::default() };
    assert_eq!(walked(&project.view, "to-d", options), ["d/e/x.rs"], "globs are read from where it leads");
    for (index, after) in all.iter().enumerate() {
        let rest = WalkOptions { after: Some(path(after)), ..WalkOptions::default() };
        assert_eq!(walked(&project.view, "", rest), all[index + 1..], "after {after}");
    }
}

#[test]
fn ignore_files_leave_out_what_they_say_from_where_they_are() {
    let project = project(&[
        (".gitignore", "*.log\n/target\n!keep.log\n"),
        ("a.log", ""),
        ("keep.log", ""),
        ("target/x", ""),
        ("sub/target/x", ""),
        ("sub/.gitignore", "!b.log\n"),
        ("sub/b.log", ""),
        ("sub/c.log", ""),
        ("sub/.ignore", "never\n"),
        ("sub/deep/never/x", ""),
    ]);
    let seen = ["d/f.txt", "keep.log", "sub/b.log", "sub/target/x", "top.txt"];
    assert_eq!(walked(&project.view, "", WalkOptions::default()), seen);
    assert_eq!(walked(&project.view, "sub", WalkOptions::default()), ["sub/b.log", "sub/target/x"]);
    let everything = WalkOptions { ignored: true, ..WalkOptions::default() };
    assert_eq!(walked(&project.view, "", everything).len(), 9);
}

#[test]
fn what_is_hidden_from_a_viewer_is_neither_walked_over_nor_searched_nor_obeyed() {
    let project =
        project(&[("d/secret.txt", "needle"), ("d/open.txt", "needle"), (".gitignore", "open.txt\n")]);
    let deny = vec![PathPattern::parse("**/secret*").unwrap(), PathPattern::parse(".gitignore").unwrap()];
    let grants = FileGrants { deny, ..FileGrants::everything() };
    let view = View::new(Arc::clone(&project.view.root), Arc::new(grants));
    assert_eq!(walked(&view, "d", WalkOptions::default()), ["d/f.txt", "d/open.txt"]);
    let found = view.grep(&path(""), &grep("needle"), options(true, 100)).unwrap();
    assert_eq!(lines(&found), [("d/open.txt".to_owned(), 1, "needle")]);
    assert!(matches!(
        view.grep(&path("d/secret.txt"), &grep("x"), options(true, 1)),
        Err(WorkspaceError::NotFound)
    ));
    // What is there and may not be read is passed over.
    let write = vec![PathPattern::parse("**").unwrap()];
    let view =
        View::new(Arc::clone(&project.view.root), Arc::new(FileGrants { write, ..FileGrants::default() }));
    assert_eq!(view.grep(&path(""), &grep("needle"), options(true, 100)).unwrap().files, []);
}

#[test]
fn lines_that_match_come_with_those_around_them() {
    let project = project(&[("a.txt", "one\ntwo\nthree\r\nfour\nfive"), ("b.bin", "two\0two\n")]);
    let found = project.view.grep(&path(""), &grep("t(wo|hree)"), options(true, 100)).unwrap();
    assert_eq!(lines(&found), [("a.txt".to_owned(), 2, "two"), ("a.txt".to_owned(), 3, "three")]);
    let around = GrepOptions { context: (1, 1), ..options(true, 100) };
    let found = project.view.grep(&path("a.txt"), &grep("^three"), around).unwrap();
    let told: Vec<_> = found.files[0].lines.iter().map(|line| (line.number, line.is_match)).collect();
    assert_eq!((told, found.files[0].count), (vec![(2, false), (3, true), (4, false)], 1));
    let files = project.view.grep(&path(""), &grep("o"), options(false, 100)).unwrap();
    let counted: Vec<_> = files.files.iter().map(|file| (file.path.to_string(), file.count)).collect();
    assert_eq!(counted, [("a.txt".to_owned(), 3), ("d/f.txt".to_owned(), 1), ("top.txt".to_owned(), 1)]);
}

#[test]
fn an_expression_is_read_as_asked() {
    let project = project(&[("a.txt", "Needle needles a.b\na-b\nx\ny\n")]);
    let found = |text: &str, regex: RegexOptions| {
        let found =
            project.view.grep(&path("a.txt"), &Grep::new(text, regex).unwrap(), options(true, 9)).unwrap();
        found
            .files
            .first()
            .map_or(vec![], |file| file.lines.iter().map(|line| line.number).collect::<Vec<_>>())
    };
    let plain = RegexOptions::default();
    assert_eq!(found("NEEDLE", plain), [0; 0]);
    assert_eq!(found("NEEDLE", RegexOptions { ignore_case: true, ..plain }), [1]);
    assert_eq!(found("a.b", plain), [1, 2]);
    assert_eq!(found("a.b", RegexOptions { fixed: true, ..plain }), [1]);
    assert_eq!(found("needle", RegexOptions { word: true, ..plain }), [0; 0]);
    assert_eq!(found("x.y", plain), [0; 0]);
    assert_eq!(found("x.y", RegexOptions { multiline: true, ..plain }), [3, 4], "both of its lines");
    for nonsense in ["(", "a{999999999}", "(a{1000}){1000}"] {
        assert!(Grep::new(nonsense, plain).is_err(), "{nonsense}");
    }
}

#[test]
fn a_search_stops_where_it_was_told_to_and_goes_on_from_there() {
    let project = project(&[("a", "x\nx\n"), ("b", "x\n"), ("c", "x\n")]);
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..9 {
        let walk = WalkOptions { after, ..WalkOptions::default() };
        let found =
            project.view.grep(&path(""), &grep("x"), GrepOptions { walk, ..options(false, 1) }).unwrap();
        all.extend(found.files.iter().map(|file| (file.path.to_string(), file.count)));
        if !found.is_partial {
            break;
        }
        after = found.last;
    }
    assert_eq!(all, [("a".to_owned(), 2), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
    let found = project.view.grep(&path(""), &grep("x"), options(true, 1)).unwrap();
    assert_eq!((lines(&found).len(), found.is_partial, found.last), (1, true, Some(path("a"))));
    let late = GrepOptions { deadline: Instant::now(), ..options(true, 9) };
    let found = project.view.grep(&path(""), &grep("x"), late).unwrap();
    assert_eq!((found.files.len(), found.is_partial, found.last), (0, true, None));
    let long = "x".repeat(5_000);
    fs::write(project.at("a"), &long).unwrap();
    let found = project.view.grep(&path("a"), &grep("x"), options(true, 9)).unwrap();
    assert_eq!((found.files[0].lines[0].text.len(), found.files[0].lines[0].is_cut), (2_000, true));
}
