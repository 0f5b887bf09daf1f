//! Reading the project's files over HTTP.

use longhouse_tests::TestServer;
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
