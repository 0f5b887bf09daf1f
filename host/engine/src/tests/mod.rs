//! Small guests in text form, each against one limit or one promise.

mod limits;
mod outcomes;
mod streams;
mod tools;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longhouse_core::{CommandRules, FileGrants, Limits, Outcome, ProjectPath};
use longhouse_workspace::{Root, View};

use crate::{Engine, EngineConfig, EngineError, Finished, RunSpec, ToolState, componentize};

/// An engine with one tool, `guest`, and an empty project.
struct Bench {
    dir: tempfile::TempDir,
    engine: Engine,
    limits: Limits,
}

impl Bench {
    /// The tool is this component, in text or binary.
    fn new(component: impl AsRef<[u8]>) -> Self {
        Self::with(EngineConfig::default(), component)
    }

    fn with(config: EngineConfig, component: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        let engine = Engine::new(config).unwrap();
        let bench =
            Self { dir, engine, limits: Limits { wall: Duration::from_secs(60), ..Limits::default() } };
        let tools = bench.tools("tools", &[("guest", component.as_ref())]);
        bench.engine.load_tools(&[tools]).unwrap();
        bench
    }

    /// A directory of tools that each provide the command of their name.
    #[expect(clippy::disallowed_methods, reason = "tests write the tools that they then run")]
    fn tools(&self, dir: &str, components: &[(&str, &[u8])]) -> PathBuf {
        let dir = self.dir.path().join(dir);
        fs::create_dir(&dir).unwrap();
        for (name, component) in components {
            fs::write(dir.join(name).with_extension("wasm"), component).unwrap();
            let manifest =
                format!("name = {name:?}\nversion = \"1\"\nsummary = \"\"\ncommands = [{name:?}]\n");
            fs::write(dir.join(name).with_extension("toml"), manifest).unwrap();
        }
        dir
    }

    fn spec(&self) -> RunSpec {
        RunSpec {
            command: self.engine.find("guest").unwrap(),
            argv: vec!["guest".into()],
            env: vec![],
            cwd: ProjectPath::root(),
            stdin: Some(Bytes::new()),
            commands: CommandRules { allow: vec!["*".into()] },
            limits: self.limits,
            view: View::new(
                Arc::new(Root::open(&self.dir.path().join("project")).unwrap()),
                Arc::new(FileGrants::everything()),
            ),
            scratch: None,
        }
    }

    async fn run(&self) -> Arc<Finished> {
        self.run_as(self.spec()).await
    }

    async fn run_as(&self, spec: RunSpec) -> Arc<Finished> {
        self.engine.start(spec).await.unwrap().finished().await
    }
}

/// A component without any import, whose `run` is this body, with two pages of memory.
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

/// A program for WASI 0.1 as a component. Its `_start` is this body; it has this many pages of memory.
fn program(pages: u32, body: &str) -> Vec<u8> {
    const CALLS: [(&str, &str); 8] = [
        ("args_sizes_get", "i32 i32"),
        ("args_get", "i32 i32"),
        ("environ_sizes_get", "i32 i32"),
        ("environ_get", "i32 i32"),
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_write", "i32 i32 i32 i32"),
        ("poll_oneoff", "i32 i32 i32 i32"),
        ("random_get", "i32 i32"),
    ];
    let import = |(name, params): (&str, &str)| {
        format!(r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) (result i32)))"#)
    };
    let imports: String = CALLS.into_iter().map(import).collect();
    let module = format!(
        r#"(module {imports}
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") {pages})
            (func (export "_start") {body}))"#
    );
    componentize(&wat::parse_str(module).unwrap()).unwrap()
}

const SPIN: &str = "(loop $l (br $l)) (unreachable)";

/// Asks for an hour of sleep.
const SLEEP: &str = "
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))";

const PAGE: u64 = 65_536;
