//! How runs end.

use super::*;

#[tokio::test]
async fn success_and_failure_are_exit_codes() {
    assert_eq!(Bench::new(command("(i32.const 0)")).run().await.outcome, Outcome::Exited(0));
    assert_eq!(Bench::new(command("(i32.const 1)")).run().await.outcome, Outcome::Exited(1));
    assert_eq!(Bench::new(program(1, "")).run().await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn an_exit_code_survives_as_it_is() {
    for code in [0, 1, 2, 255] {
        let bench = Bench::new(program(1, &format!("(call $proc_exit (i32.const {code}))")));
        assert_eq!(bench.run().await.outcome, Outcome::Exited(code));
    }
}

#[tokio::test]
async fn a_trap_is_an_outcome_and_the_engine_goes_on() {
    let bench = Bench::new(command("(unreachable)"));
    for _ in 0..3 {
        let Outcome::Trapped(reason) = bench.run().await.outcome.clone() else { panic!("no trap") };
        assert!(reason.contains("unreachable") && !reason.contains('\n'), "{reason}");
    }
}

#[tokio::test]
async fn one_that_computes_can_be_killed_and_says_why() {
    let bench = Bench::new(command(SPIN));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    handle.kill("first");
    handle.kill("second");
    assert_eq!(handle.finished().await.outcome, Outcome::Killed("first".into()));
}

#[tokio::test]
async fn one_that_waits_can_be_killed() {
    let bench = Bench::new(program(1, SLEEP));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    handle.kill("enough");
    assert_eq!(handle.finished().await.outcome, Outcome::Killed("enough".into()));
}

#[tokio::test]
async fn killing_one_that_ended_changes_nothing() {
    let bench = Bench::new(command("(i32.const 0)"));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    let finished = handle.finished().await;
    handle.kill("too late");
    assert_eq!(handle.finished().await, finished);
    assert_eq!(finished.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn one_run_sees_nothing_of_another() {
    // A word in each of its two pages.
    let body = "(i32.or (i32.load (i32.const 0)) (i32.load (i32.const 131000)))
        (i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 131000) (i32.const 1))";
    let bench = Bench::new(command(body));
    for _ in 0..50 {
        assert_eq!(bench.run().await.outcome, Outcome::Exited(0), "memory was left over");
    }
}
