//! What guests may import: these interfaces, and no other.

use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi_io::bindings::wasi::io;

use crate::filesystem;
use crate::run_state::RunState;

/// What guests may import is in one of these, in a version of WASI 0.2.
const OFFERED: [&str; 5] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"];

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// The world of a command, interface by interface: the command line, clocks, randomness and streams as they
/// come with wasmtime, and our file system. There is no network.
pub(crate) fn link(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<RunState>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<RunState, Io>(l, |run| &mut run.table)?;
    io::poll::add_to_linker::<RunState, Io>(l, |run| &mut run.table)?;
    io::streams::add_to_linker::<RunState, Io>(l, |run| &mut run.table)?;
    clocks::wall_clock::add_to_linker::<RunState, WasiClocks>(l, RunState::clocks)?;
    clocks::monotonic_clock::add_to_linker::<RunState, WasiClocks>(l, RunState::clocks)?;
    random::random::add_to_linker::<RunState, WasiRandom>(l, |run| run.wasi.random())?;
    random::insecure::add_to_linker::<RunState, WasiRandom>(l, |run| run.wasi.random())?;
    random::insecure_seed::add_to_linker::<RunState, WasiRandom>(l, |run| run.wasi.random())?;
    cli::environment::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::exit::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::stdin::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::stdout::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::stderr::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::terminal_input::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::terminal_output::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdin::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::terminal_stdout::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    cli::terminal_stderr::add_to_linker::<RunState, WasiCli>(l, RunState::cli)?;
    filesystem::add_to_linker(l)?;
    Ok(linker)
}

/// The interfaces that a component imports and that belong to no package we offer.
pub(crate) fn not_offered(component: &Component) -> Vec<String> {
    let offered = |name: &str| {
        name.split_once('@').is_some_and(|(interface, version)| {
            version.starts_with("0.2.") && OFFERED.iter().any(|package| interface.starts_with(package))
        })
    };
    let engine = component.engine();
    let imports = component.component_type();
    imports.imports(engine).map(|(name, _)| name.to_owned()).filter(|name| !offered(name)).collect()
}
