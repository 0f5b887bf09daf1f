//! Reading the project's files over HTTP.

use longhouse_tests::TestServer;
use reqwest::Method;
use serde_json::{Value, json};

fn names(listing: &Value) -> Vec<&str> {
    listing["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

#[test]
fn bytes_come_back_as_they_are_and_cannot_run_in_a_browser() {
    let bytes = [0, 159, 146, 150, b'\n'];
    let server = TestServer::builder().file("dir/ä b.bin", bytes).start();
    let answer = server.worker().get("/files/dir/%C3%A4%20b.bin");
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, bytes.as_slice()));
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
}

#[test]
fn a_listing_is_sorted_and_never_shows_the_private_directory() {
    let server = TestServer::builder().file("b.txt", "bb").file("a/x.txt", "").start();
    let worker = server.worker();
    let listing = worker.get("/fs/list").expect(200);
    assert_eq!(names(&listing), ["a", "b.txt"]);
    assert_eq!(listing["entries"][1]["size"], 2);
    assert_eq!(names(&worker.get("/fs/list?depth=2").expect(200)), ["a", "a/x.txt", "b.txt"]);
}

#[test]
fn the_private_directory_cannot_be_reached_by_name_or_by_link() {
    let server = TestServer::start();
    std::os::unix::fs::symlink(".longhouse", server.path("link")).unwrap();
    std::os::unix::fs::symlink(".longhouse/longhouse.toml", server.path("config")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", server.path("outside")).unwrap();
    let worker = server.worker();
    for path in
        [".longhouse", ".longhouse/longhouse.toml", "a/..%2F.longhouse/lock", "link/longhouse.toml", "config"]
    {
        let answer = worker.get(format!("/files/{path}"));
        assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
    }
    worker.get("/files/outside").problem(403, "path_outside_project");
    worker.get("/fs/list?path=link").problem(404, "not_found");
}

#[test]
fn what_a_run_wrote_is_read_back() {
    let server = TestServer::start();
    let worker = server.worker();
    let body = json!({ "argv": ["tee", "new.txt"], "stdin": "hello" });
    assert_eq!(worker.run_with(body)["outcome"], json!({ "kind": "exited", "code": 0 }));
    assert_eq!(worker.get("/files/new.txt").bytes, b"hello");
    assert_eq!(server.read("new.txt"), "hello");
}

/// A project to search in; `vic` may not see what is secret.
fn library() -> (TestServer, longhouse_tests::Agent) {
    let server = TestServer::builder()
        .file("src/main.rs", "fn main() {\n    needle();\n}\n")
        .file("src/lib.rs", "// Needle\nfn needle() {}\n")
        .file("src/secret.rs", "needle\n")
        .file("target/debug/out.rs", "needle\n")
        .file("docs/a.md", "needle\n")
        .file(".gitignore", "/target\n")
        .file("bin", [0, b'n'])
        .profile(
            "some",
            "commands = [\"*\"]\n[profiles.some.files]\nread = [\"**\"]\ndeny = [\"**/secret*\"]",
        )
        .start();
    let vic = server.agent("vic", "observer", "some");
    (server, vic)
}

#[test]
fn files_are_found_by_globs_page_by_page() {
    let (_server, vic) = library();
    let found = |form: Value| vic.post("/fs/glob", &form).expect(200);
    let all = found(json!({ "pattern": "*.rs" }));
    assert_eq!(names(&all), ["src/lib.rs", "src/main.rs"]);
    assert_eq!(all["next"], json!(null));
    assert_eq!(
        names(&found(json!({ "pattern": ["*.rs", "*.md", "!lib*"], "path": "" }))),
        ["docs/a.md", "src/main.rs"]
    );
    assert_eq!(names(&found(json!({ "pattern": "*.rs", "ignored": true })))[2], "target/debug/out.rs");
    assert_eq!(names(&found(json!({ "pattern": "**", "hidden": true })))[0], ".gitignore");
    let first = found(json!({ "pattern": "*.rs", "limit": 1 }));
    assert_eq!((names(&first), &first["next"]), (vec!["src/lib.rs"], &json!("src/lib.rs")));
    assert_eq!(names(&found(json!({ "pattern": "*.rs", "after": "src/lib.rs" }))), ["src/main.rs"]);
    for (form, field) in [
        (json!({ "pattern": "a{" }), "pattern"),
        (json!({ "pattern": "*", "limit": 0 }), "limit"),
        (json!({ "pattern": "*", "limit": 10_001 }), "limit"),
        (json!({ "pattern": "*", "after": "../x" }), "after"),
    ] {
        let answer = vic.post("/fs/glob", &form);
        assert!(matches!(answer.status, 422 | 403), "{form} {field}: {answer:?}");
    }
    vic.post("/fs/glob", &json!({ "pattern": "*", "path": "none" })).problem(404, "not_found");
}

#[test]
fn text_is_found_as_an_agent_would_search_for_it() {
    let (_server, vic) = library();
    let found = |form: Value| vic.post("/fs/grep", &form).expect(200);
    let content = found(json!({ "pattern": "needle", "glob": "*.rs" }));
    assert_eq!(
        content["files"],
        json!([
            { "path": "src/lib.rs", "lines": [{ "line": 2, "text": "fn needle() {}", "match": true }] },
            { "path": "src/main.rs", "lines": [{ "line": 2, "text": "    needle();", "match": true }] },
        ])
    );
    assert_eq!(content["truncated"], false);
    let files = found(json!({ "pattern": "NEEDLE", "ignore_case": true, "output_mode": "files" }));
    assert_eq!(files["files"], json!(["docs/a.md", "src/lib.rs", "src/main.rs"]));
    let counts = found(
        json!({ "pattern": "needle", "ignore_case": true, "output_mode": "count", "path": "src/lib.rs" }),
    );
    assert_eq!(counts["files"], json!([{ "path": "src/lib.rs", "count": 2 }]));
    let around = found(json!({ "pattern": "needle", "path": "src/main.rs", "context": 1 }));
    assert_eq!(around["files"][0]["lines"].as_array().unwrap().len(), 3);
    let first = found(json!({ "pattern": "needle", "limit": 1 }));
    assert_eq!((&first["truncated"], &first["next"]), (&json!(true), &json!("docs/a.md")));
    let next = found(json!({ "pattern": "needle", "limit": 1, "after": "docs/a.md" }));
    assert_eq!(next["files"][0]["path"], "src/lib.rs");
    assert_eq!(
        vic.post("/fs/grep", &json!({ "pattern": "(" })).problem(422, "invalid_request")["field"],
        "pattern"
    );
    vic.post("/fs/grep", &json!({ "pattern": "x", "path": "src/secret.rs" })).problem(404, "not_found");
}

#[test]
fn a_file_has_a_tag_that_is_of_its_content() {
    let server = TestServer::builder().file("a.txt", "content").start();
    let worker = server.worker();
    let first = worker.get("/files/a.txt");
    let tag = first.headers["etag"].clone();
    let with = |name: &str, value: &str| {
        worker.send(worker.request(Method::GET, "/files/a.txt").header(name, value))
    };
    let known = with("if-none-match", tag.to_str().unwrap());
    assert_eq!((known.status, known.bytes.len(), &known.headers["etag"]), (304, 0, &tag));
    std::fs::write(server.path("a.txt"), "changed").unwrap();
    let changed = with("if-none-match", tag.to_str().unwrap());
    assert_eq!((changed.status, changed.bytes.as_slice()), (200, &b"changed"[..]));
    std::fs::write(server.path("a.txt"), "content").unwrap();
    assert_eq!(worker.get("/files/a.txt").headers["etag"], tag, "what it was before is the same again");
    let head = worker.send(worker.request(Method::HEAD, "/files/a.txt"));
    assert_eq!(
        (head.status, head.bytes.len(), head.headers["content-length"].to_str().unwrap()),
        (200, 0, "7")
    );
    let text = worker.post("/fs/read", &json!({ "path": "a.txt" })).expect(200);
    assert_eq!(format!("{:?}", text["version"].as_str().unwrap()), tag.to_str().unwrap());
}

#[test]
fn parts_of_a_file_are_served_short_or_long() {
    let long: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    let server = TestServer::builder().file("short", "0123456789").file("long", &long).start();
    let worker = server.worker();
    let part =
        |path: &str, range: &str| worker.send(worker.request(Method::GET, path).header("range", range));
    for (range, expected, told) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let answer = part("/files/short", range);
        assert_eq!((answer.status, answer.bytes.as_slice()), (206, expected.as_bytes()), "{range}");
        assert_eq!(answer.headers["content-range"], told);
    }
    let answer = part("/files/long", "bytes=500000-500009");
    assert_eq!((answer.status, answer.bytes.as_slice()), (206, &long[500_000..500_010]));
    assert_eq!(worker.get("/files/long").bytes, long);
    part("/files/short", "bytes=10-").problem(416, "range_not_satisfiable");
    assert_eq!(part("/files/short", "bytes=0-0,2-2").bytes, b"0123456789", "several are all");
    assert_eq!(part("/files/short", "lines=1-2").bytes, b"0123456789", "what is no range is not asked for");
    let request = worker
        .request(Method::GET, "/files/short")
        .header("range", "bytes=0-0")
        .header("if-range", "\"old\"");
    assert_eq!(worker.send(request).status, 200, "the part is of another version");
}

#[test]
fn lines_are_read_one_file_or_many() {
    let server = TestServer::builder().file("a.txt", "one\ntwo\nthree").file("b.bin", [0xff, 0]).start();
    let worker = server.worker();
    let read = |form: Value| worker.post("/fs/read", &form).expect(200);
    let whole = read(json!({ "path": "a.txt" }));
    assert_eq!(
        (&whole["text"], &whole["lines"], &whole["truncated"]),
        (&json!("one\ntwo\nthree"), &json!(3), &json!(false))
    );
    let second = read(json!({ "path": "a.txt", "offset": 2, "limit": 1 }));
    let expected = (&json!("two\n"), &json!(2), &json!(3), &json!(true));
    assert_eq!(
        (&second["text"], &second["first_line"], &second["total_lines"], &second["truncated"]),
        expected
    );
    assert_eq!(read(json!({ "path": "a.txt", "offset": 9 }))["text"], "");
    assert_eq!(read(json!({ "path": "b.bin" }))["base64"], "/wA=");
    let files =
        read(json!({ "files": [{ "path": "a.txt", "limit": 1 }, { "path": "none" }, { "path": "../x" }] }));
    assert_eq!(files["files"][0]["text"], "one\n");
    assert_eq!(files["files"][1]["error"]["code"], "not_found");
    assert_eq!(files["files"][2]["error"]["code"], "path_outside_project");
    worker.post("/fs/read", &json!({ "path": "none" })).problem(404, "not_found");
    for form in [json!({}), json!({ "files": [] }), json!({ "path": "a.txt", "files": [] })] {
        worker.post("/fs/read", &form).problem(422, "invalid_request");
    }
    std::fs::write(server.path("long"), vec![b'x'; (4 << 20) + 1]).unwrap();
    worker.post("/fs/read", &json!({ "path": "long" })).problem(413, "file_too_large");
    std::fs::write(server.path("long"), "é".repeat(200_000)).unwrap();
    let cut = read(json!({ "path": "long" }));
    let expected = (256 << 10, &json!(true));
    assert_eq!(
        (cut["text"].as_str().unwrap().len(), &cut["truncated"]),
        expected,
        "a line that is too long is cut"
    );
}
