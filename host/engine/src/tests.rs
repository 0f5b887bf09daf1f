//! Small guests in text form, each against one limit or one promise.

#![expect(clippy::disallowed_methods, reason = "tests write the tools that they then run")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longhouse_core::{Access, Limits, Outcome, ProjectPath};
use longhouse_workspace::Root;

use crate::{Engine, EngineConfig, EngineError, Finished, RunSpec, ToolState};

struct Bench {
    dir: tempfile::TempDir,
    engine: Engine,
    limits: Limits,
}

impl Bench {
    /// An engine with one tool, `guest`, that is this component.
    fn new(component: &str) -> Self {
        Self::with(EngineConfig::default(), component)
    }

    fn with(config: EngineConfig, component: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        fs::create_dir(&tools).unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        fs::write(tools.join("guest.wasm"), component).unwrap();
        let manifest = "name = \"guest\"\nversion = \"1\"\nsummary = \"\"\ncommands = [\"guest\"]\n";
        fs::write(tools.join("guest.toml"), manifest).unwrap();
        let engine = Engine::new(config).unwrap();
        engine.load_tools(&[tools]).unwrap();
        Self { dir, engine, limits: Limits { wall: Duration::from_secs(20), ..Limits::default() } }
    }

    fn spec(&self) -> RunSpec {
        RunSpec {
            tool: self.engine.find("guest").unwrap(),
            argv: vec!["guest".into()],
            env: vec![],
            cwd: ProjectPath::root(),
            stdin: Bytes::new(),
            limits: self.limits,
            root: Arc::new(Root::open(&self.dir.path().join("project")).unwrap()),
            access: Access::ReadWrite,
        }
    }

    async fn run(&self) -> Arc<Finished> {
        self.engine.start(self.spec()).await.unwrap().finished().await
    }
}

/// A command whose `run` is this body, with two pages of memory.
fn command(body: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 2)
                (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $exported (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exported)))"#
    )
}

const SPIN: &str = "(loop $l (br $l)) (unreachable)";
const PAGE: u64 = 65_536;

#[tokio::test]
async fn success_and_failure_are_exit_codes() {
    assert_eq!(Bench::new(&command("(i32.const 0)")).run().await.outcome, Outcome::Exited(0));
    assert_eq!(Bench::new(&command("(i32.const 1)")).run().await.outcome, Outcome::Exited(1));
}

#[tokio::test]
async fn a_trap_is_an_outcome_and_the_engine_goes_on() {
    let bench = Bench::new(&command("(unreachable)"));
    for _ in 0..3 {
        let Outcome::Trapped(reason) = bench.run().await.outcome.clone() else { panic!("no trap") };
        assert!(reason.contains("unreachable"), "{reason}");
    }
}

#[tokio::test]
async fn computing_past_the_wall_clock_limit_is_stopped() {
    let mut bench = Bench::new(&command(SPIN));
    bench.limits.wall = Duration::from_millis(100);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.consumption.cpu > Duration::ZERO);
    assert!(finished.consumption.wall >= Duration::from_millis(100));
}

#[tokio::test]
async fn computing_past_the_cpu_limit_is_stopped() {
    let mut bench = Bench::new(&command(SPIN));
    bench.limits.cpu = Duration::from_millis(50);
    let finished = bench.run().await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(finished.consumption.cpu >= Duration::from_millis(50));
    assert!(finished.consumption.wall < bench.limits.wall, "it was the other limit");
}

#[tokio::test]
async fn a_killed_guest_says_why() {
    let bench = Bench::new(&command(SPIN));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    handle.kill("first");
    handle.kill("second");
    assert_eq!(handle.finished().await.outcome, Outcome::Killed("first".into()));
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_the_guest_may_live_on() {
    // Returns 0 when growing by one page was refused, 1 when it was granted.
    let body = "(i32.ne (memory.grow (i32.const 1)) (i32.const -1))";
    let mut bench = Bench::new(&command(body));
    bench.limits.memory = 3 * PAGE;
    let granted = bench.run().await;
    assert_eq!((granted.outcome.clone(), granted.consumption.peak_memory), (Outcome::Exited(1), 3 * PAGE));
    bench.limits.memory = 2 * PAGE;
    let refused = bench.run().await;
    assert_eq!((refused.outcome.clone(), refused.consumption.peak_memory), (Outcome::Exited(0), 2 * PAGE));
}

#[tokio::test]
async fn a_guest_that_dies_for_want_of_memory_is_out_of_memory() {
    let body = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    let mut bench = Bench::new(&command(body));
    bench.limits.memory = 64 * PAGE;
    assert_eq!(bench.run().await.outcome, Outcome::OutOfMemory);
    bench.limits.memory = PAGE;
    assert_eq!(bench.run().await.outcome, Outcome::OutOfMemory, "not even what it begins with");
}

#[tokio::test]
async fn one_run_sees_nothing_of_another() {
    let body = "(i32.load (i32.const 0)) (i32.store (i32.const 0) (i32.const 1))";
    let bench = Bench::new(&command(body));
    for _ in 0..50 {
        assert_eq!(bench.run().await.outcome, Outcome::Exited(0), "memory was left over");
    }
}

#[tokio::test]
async fn a_component_that_imports_what_is_not_offered_is_refused_by_name() {
    let component = r#"(component (import "wasi:http/handler@0.2.0" (instance)))"#;
    let bench = Bench::new(&component.replace("(instance)", r#"(instance (export "handle" (func)))"#));
    let Err(EngineError::ToolFailed { reason, .. }) = bench.engine.start(bench.spec()).await else {
        panic!("it started")
    };
    assert!(reason.contains("wasi:http/handler"), "{reason}");
    assert!(matches!(bench.engine.tools()[0].state, ToolState::Failed(_)));
    assert!(bench.engine.ready().is_complete());
}

#[tokio::test(start_paused = true)]
async fn when_all_threads_are_taken_callers_are_told_to_come_back() {
    let config = EngineConfig { guest_threads: 1, ..EngineConfig::default() };
    let bench = Bench::with(config, &command(SPIN));
    let handle = bench.engine.start(bench.spec()).await.unwrap();
    assert!(matches!(bench.engine.start(bench.spec()).await, Err(EngineError::Busy { threads: 1, .. })));
    handle.kill("make room");
}

#[test]
fn two_tools_cannot_provide_the_same_command() {
    let bench = Bench::new(&command("(i32.const 0)"));
    let again = bench.engine.load_tools(&[bench.dir.path().join("tools")]);
    assert!(matches!(again, Err(EngineError::CommandTwice { command, .. }) if command == "guest"));
}
