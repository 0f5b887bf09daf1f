//! `wasi:filesystem` over the project directory.
//!
//! The stock implementation is never linked. Ours decorates it: whatever takes a path is resolved and opened
//! by `longhouse-workspace`, and only then do reads and writes on an open descriptor go to stock
//! code. A descriptor for a directory is a path in the project; it grants nothing by itself.

mod convert;
mod counting;
mod descriptor;
mod directory;
mod error;
mod input;
mod preopens;
mod state;
#[cfg(test)]
mod tests;
mod types;

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::filesystem;

pub(crate) use counting::Counters;
pub(crate) use state::{FsState, FsView, HasFs};

/// Links our file system, and no other.
pub(crate) fn add_to_linker<T: HasFs + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    filesystem::types::add_to_linker::<T, state::ProjectFs>(linker, T::fs)?;
    filesystem::preopens::add_to_linker::<T, state::ProjectFs>(linker, T::fs)
}
