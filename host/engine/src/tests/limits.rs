//! Every limit, and a guest that breaks it.

use super::*;

fn trap(finished: &Finished) -> &str {
    let Outcome::Trapped(reason) = &finished.outcome else { panic!("{finished:?}") };
    reason
}

#[tokio::test]
async fn computing_past_the_wall_clock_limit_is_stopped() {
    let mut bench = Bench::new(command(SPIN));
    bench.limits.wall = Duration::from_millis(100);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.consumption.cpu > Duration::ZERO);
    assert!(finished.consumption.wall >= Duration::from_millis(100));
}

#[tokio::test]
async fn waiting_past_the_wall_clock_limit_is_stopped_and_costs_no_cpu() {
    let mut bench = Bench::new(program(1, SLEEP));
    bench.limits.wall = Duration::from_millis(100);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.consumption.cpu < Duration::from_millis(100));
}

#[tokio::test]
async fn computing_past_the_cpu_limit_is_stopped() {
    let mut bench = Bench::new(command(SPIN));
    bench.limits.cpu = Duration::from_millis(50);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.consumption.cpu >= Duration::from_millis(50));
    assert!(finished.consumption.wall < bench.limits.wall, "it was the other limit");
}

#[tokio::test]
async fn a_limit_may_be_longer_than_any_clock_counts() {
    let mut bench = Bench::new(command("(i32.const 0)"));
    bench.limits.wall = Duration::MAX;
    assert_eq!(bench.run().await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_the_guest_may_live_on() {
    // Returns 0 when growing by one page was refused, 1 when it was granted.
    let body = "(i32.ne (memory.grow (i32.const 1)) (i32.const -1))";
    let mut bench = Bench::new(command(body));
    bench.limits.memory = 3 * PAGE;
    let granted = bench.run().await;
    assert_eq!((granted.outcome.clone(), granted.consumption.peak_memory), (Outcome::Exited(1), 3 * PAGE));
    bench.limits.memory = 2 * PAGE;
    let refused = bench.run().await;
    assert_eq!((refused.outcome.clone(), refused.consumption.peak_memory), (Outcome::Exited(0), 2 * PAGE));
}

/// Takes all the memory that it can get, then dies.
const GREEDY: &str =
    "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";

#[tokio::test]
async fn a_guest_that_dies_for_want_of_memory_is_out_of_memory() {
    let mut bench = Bench::new(command(GREEDY));
    bench.limits.memory = 64 * PAGE;
    assert_eq!(bench.run().await.outcome, Outcome::OutOfMemory);
    bench.limits.memory = PAGE;
    assert_eq!(bench.run().await.outcome, Outcome::OutOfMemory, "not even what it begins with");
}

#[tokio::test]
async fn a_guest_that_dies_for_want_of_what_others_hold_is_told_so() {
    let config = EngineConfig { guest_threads: 1, max_guest_memory: 32 << 20, ..EngineConfig::default() };
    let bench = Bench::with(config, command(GREEDY));
    let finished = bench.run().await;
    let Outcome::Killed(reason) = &finished.outcome else { panic!("{finished:?}") };
    assert!(reason.contains("memory"), "{reason}");
    assert!(finished.consumption.peak_memory <= 32 << 20);
    assert_eq!(bench.run().await.consumption.peak_memory, finished.consumption.peak_memory, "given back");
}

#[tokio::test]
async fn output_beyond_the_limit_is_discarded_and_a_flood_ends_by_its_time() {
    let flood = "
        (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
        (loop $l
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br $l))";
    let mut bench = Bench::new(program(1, flood));
    bench.limits.output = 10_000;
    bench.limits.cpu = Duration::from_millis(100);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.output.truncated);
    assert_eq!(finished.output.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>(), 10_000);
}

#[tokio::test]
async fn what_the_host_allocates_for_one_call_is_limited() {
    // A path of 20 MiB.
    let body = "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 20971520)
        (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))";
    let finished = Bench::new(program(400, body)).run().await;
    assert!(trap(&finished).contains("fuel allocated for hostcalls"), "{finished:?}");
}

#[tokio::test]
async fn randomness_in_one_call_is_limited() {
    let body = |bytes: u32| format!("(drop (call $random_get (i32.const 0) (i32.const {bytes})))");
    assert_eq!(Bench::new(program(40, &body(1 << 20))).run().await.outcome, Outcome::Exited(0));
    let finished = Bench::new(program(40, &body((1 << 20) + 1))).run().await;
    assert_eq!(trap(&finished), "requested len 1048577 exceeds limit 1048576");
}

#[tokio::test]
async fn things_held_at_once_are_limited() {
    let hoard = r#"(component
        (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $outer))
            (export "pollable" (type $pollable (eq $outer)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core module $m
            (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
            (func (export "run") (result i32)
                (loop $l (drop (call $subscribe (i64.const 0))) (br $l)) (unreachable)))
        (core instance $i
            (instantiate $m (with "host" (instance (export "subscribe" (func $subscribe))))))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $exported (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $exported)))"#;
    let mut bench = Bench::new(hoard);
    bench.limits.files = 10;
    let finished = bench.run().await;
    assert_eq!(trap(&finished), "resource table has no free keys");
}

#[tokio::test(start_paused = true)]
async fn when_all_threads_are_taken_callers_are_told_to_come_back() {
    let config = EngineConfig { guest_threads: 1, ..EngineConfig::default() };
    let bench = Bench::with(config, command(SPIN));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    assert!(matches!(bench.engine.start(bench.spec()).await, Err(EngineError::Busy { threads: 1, .. })));
    handle.kill("make room");
}
