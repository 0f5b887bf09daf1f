//! What guests may import: these interfaces, and no other.

use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi_io::bindings::wasi::io;

use crate::run_state::RunState;
use crate::{command, filesystem};

/// What guests may import is in one of these, in a version that begins so.
const OFFERED: [(&str, &str); 6] = [
    ("longhouse:tool/", "0.1."),
    ("wasi:cli/", "0.2."),
    ("wasi:clocks/", "0.2."),
    ("wasi:filesystem/", "0.2."),
    ("wasi:io/", "0.2."),
    ("wasi:random/", "0.2."),
];

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// The world of a command, interface by interface: the command line, clocks, randomness and streams as they
/// come with wasmtime, our file system, and the other commands of the run. There is no network.
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
    command::add_to_linker(l)?;
    Ok(linker)
}

/// The interfaces that a component imports and that belong to no package we offer.
pub(crate) fn not_offered(component: &Component) -> Vec<String> {
    let offered = |name: &str| {
        name.split_once('@').is_some_and(|(interface, version)| {
            OFFERED
                .iter()
                .any(|(package, offered)| interface.starts_with(package) && version.starts_with(offered))
        })
    };
    let engine = component.engine();
    let imports = component.component_type();
    imports.imports(engine).map(|(name, _)| name.to_owned()).filter(|name| !offered(name)).collect()
}
