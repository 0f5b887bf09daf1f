//! What a guest is given, and what is kept of what it writes.

use longhouse_core::Stream;

use super::*;

/// Writes what `get` puts at 1024, as long as `sizes` says at 4.
fn print(sizes: &str, get: &str) -> Vec<u8> {
    program(
        1,
        &format!(
            "(drop (call ${sizes} (i32.const 0) (i32.const 4)))
            (drop (call ${get} (i32.const 16) (i32.const 1024)))
            (i32.store (i32.const 0) (i32.const 1024))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
        ),
    )
}

fn text(finished: &Finished, stream: Stream) -> String {
    assert_eq!(finished.outcome, Outcome::Exited(0));
    let chunks = finished.output.chunks.iter().filter(|chunk| chunk.stream == stream);
    String::from_utf8(chunks.flat_map(|chunk| chunk.bytes.clone()).collect()).unwrap()
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for_and_where_it_runs() {
    let bench = Bench::new(print("environ_sizes_get", "environ_get"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let spec = RunSpec {
        env: vec![pair("A", "1"), pair("HOME", "/root"), pair("PWD", "/elsewhere")],
        cwd: ProjectPath::parse("src/deep").unwrap(),
        ..bench.spec()
    };
    let finished = bench.run_as(spec).await;
    assert_eq!(
        text(&finished, Stream::Stdout),
        "PATH=/usr/local/bin:/usr/bin:/bin\0TMPDIR=/tmp\0A=1\0HOME=/root\0PWD=/src/deep\0"
    );
}

#[tokio::test]
async fn the_arguments_begin_with_the_command() {
    let bench = Bench::new(print("args_sizes_get", "args_get"));
    let argv = ["guest", "-n", "two words", ""].map(str::to_owned).into();
    let finished = bench.run_as(RunSpec { argv, ..bench.spec() }).await;
    assert_eq!(text(&finished, Stream::Stdout), "guest\0-n\0two words\0\0");
}

/// Copies standard input to standard error.
const COPY: &str = "
    (i32.store (i32.const 0) (i32.const 1024))
    (block $end
        (loop $l
            (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
            (br_if $end (i32.eqz (i32.load (i32.const 4))))
            (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br $l)))";

#[tokio::test]
async fn standard_input_is_what_was_given_and_then_ends() {
    let bench = Bench::new(program(1, COPY));
    assert_eq!(text(&bench.run().await.clone(), Stream::Stderr), "");
    let given = "line\n".repeat(5_000);
    let finished = bench.run_as(RunSpec { stdin: Some(given.clone().into()), ..bench.spec() }).await;
    assert_eq!(text(&finished, Stream::Stderr), given);
}

#[tokio::test]
async fn output_can_be_read_while_the_guest_runs() {
    let body = format!(
        "(i32.store (i32.const 1024) (i32.const 0x0a216968)) ;; hi!
        (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i64.store (i32.const 0) (i64.const 0)) {SLEEP}"
    );
    let bench = Bench::new(program(1, &body));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    handle.output().grown_past(0).await;
    let (chunks, next) = handle.output().read(0, 100);
    assert_eq!((chunks[0].bytes.as_slice(), next), (b"hi!\n".as_slice(), 4));
    handle.kill("seen enough");
    handle.output().grown_past(next).await;
    assert_eq!(handle.finished().await.output.chunks, chunks);
}
