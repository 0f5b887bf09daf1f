//! Which tools there are, and which of them can run.

use super::*;

fn failure(bench: &Bench, error: EngineError) -> String {
    let EngineError::ToolFailed { reason, .. } = error else { panic!("{error}") };
    assert_eq!(bench.engine.tools()[0].state, ToolState::Failed(reason.clone()));
    assert!(bench.engine.ready().is_complete());
    reason
}

#[tokio::test]
async fn a_component_that_imports_what_is_not_offered_is_refused_with_all_of_it() {
    let bench = Bench::new(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance))
            (import "wasi:http/handler@0.2.0" (instance (export "handle" (func))))
            (import "wasi:cli/stdout@0.3.0" (instance))
            (import "own:thing/other" (instance (export "do" (func)))))"#,
    );
    let Err(error) = bench.engine.start(bench.spec()).await else { panic!("it started") };
    assert_eq!(
        failure(&bench, error),
        "it imports what is not offered: wasi:http/handler@0.2.0, wasi:cli/stdout@0.3.0, own:thing/other"
    );
}

#[tokio::test]
async fn a_component_that_imports_a_function_that_is_not_offered_is_refused() {
    let bench =
        Bench::new(r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "other" (func)))))"#);
    let Err(error) = bench.engine.start(bench.spec()).await else { panic!("it started") };
    let reason = failure(&bench, error);
    assert!(reason.contains("wasi:cli/environment") && reason.contains("other"), "{reason}");
}

#[tokio::test]
async fn what_is_no_component_or_no_command_is_refused() {
    for other in ["not WebAssembly", "(module)", "(component)"] {
        let bench = Bench::new(other);
        let Err(error) = bench.engine.start(bench.spec()).await else { panic!("it started") };
        assert!(!failure(&bench, error).is_empty());
    }
}

#[tokio::test]
async fn two_tools_cannot_provide_the_same_command_and_those_before_can_run() {
    let bench = Bench::new(command("(i32.const 0)"));
    let component = command("(i32.const 1)");
    let more = bench.tools("more", &[("first", component.as_bytes()), ("guest", component.as_bytes())]);
    let added = bench.engine.load_tools(&[more]);
    assert!(matches!(added, Err(EngineError::CommandTwice { command, .. }) if command == "guest"));
    assert_eq!(bench.run().await.outcome, Outcome::Exited(0));
    let command = bench.engine.find("first").unwrap();
    assert_eq!(bench.run_as(RunSpec { command, ..bench.spec() }).await.outcome, Outcome::Exited(1));
}

#[tokio::test]
async fn a_tool_is_known_before_it_is_compiled() {
    let bench = Bench::new(command("(i32.const 0)"));
    let info = bench.engine.tool("guest").unwrap().info();
    assert_eq!((info.name.as_str(), info.commands.as_slice()), ("guest", ["guest".to_owned()].as_slice()));
    assert_eq!(info.hash, blake3::hash(command("(i32.const 0)").as_bytes()).to_hex().as_str());
    assert!(bench.engine.find("other").is_none());
    bench.run().await;
    assert_eq!(bench.engine.tools()[0].state, ToolState::Ready);
}
