//! Turning a core module for WASI 0.1 into a component.
//!
//! Core modules are never run directly: that would reach the stock file system. The stock command adapter
//! translates their calls, but it ends a program with `wasi:cli/exit`, which knows only success and failure,
//! so that `rg` could not say 2. Therefore the one import `proc_exit` is first re-pointed to the interface's
//! `exit-with-code`, which has the same core signature.

use std::convert::Infallible;
use std::error::Error;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ImportSection, Module};
use wasmparser::{Import, Imports, Parser};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const EXIT_INTERFACE: &str = "wasi:cli/exit@0.2.12";
const EXIT_FUNCTION: &str = "exit-with-code";

/// What a program imports that runs others.
const PROCESS_INTERFACE: &str = "longhouse:tool/process@0.1.0";
const PROCESS: &str = include_str!("../../../wit/tool/process.wit");

/// What a module may import besides what the adapter does for it: the part of WASI that `proc_exit` is re-pointed to, and
/// the other commands.
const WORLDS: &str = "
package longhouse:command;
world alone { import wasi:cli/exit@0.2.12; }
world with-others { import wasi:cli/exit@0.2.12; import longhouse:tool/process@0.1.0; }
package wasi:cli@0.2.12 {
    interface exit {
        exit: func(status: result);
        exit-with-code: func(status-code: u8);
    }
}
";

/// Why a module could not be turned into a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// It is no WebAssembly module, or is damaged.
    #[error("not a valid WebAssembly module: {0}")]
    Invalid(String),
    /// It imports what no adapter provides, or exports no `_start`.
    #[error("not a WASI 0.1 command")]
    NotACommand(#[source] Box<dyn Error + Send + Sync>),
}

/// The component that runs `module`, a command for WASI 0.1.
///
/// # Errors
/// When the module is damaged, or imports something beyond WASI 0.1.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let mut repointed = Module::new();
    let mut repoint = RepointExit { world: "alone" };
    repoint
        .parse_core_module(&mut repointed, Parser::new(0), module)
        .map_err(|error| ComponentizeError::Invalid(error.to_string()))?;
    encode(repointed.finish(), repoint.world).map_err(ComponentizeError::NotACommand)
}

fn encode(mut module: Vec<u8>, world: &str) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut resolve = Resolve::default();
    resolve.push_source("process.wit", PROCESS)?;
    let package = resolve.push_source("command.wit", WORLDS)?;
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)?
        .encode()?;
    Ok(component)
}

/// Copies a module, with the import of `proc_exit` re-pointed, and sees which world is its.
struct RepointExit {
    world: &'static str,
}

impl Reencode for RepointExit {
    type Error = Infallible;

    // The one that is called for a module's imports; `parse_import` is not.
    fn parse_imports(
        &mut self,
        section: &mut ImportSection,
        imports: Imports<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        if matches!(&imports, Imports::Single(_, import) if import.module == PROCESS_INTERFACE) {
            self.world = "with-others";
        }
        let imports = match imports {
            Imports::Single(
                offset,
                import @ Import { module: WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, name: "proc_exit", .. },
            ) => Imports::Single(offset, Import { module: EXIT_INTERFACE, name: EXIT_FUNCTION, ..import }),
            other => other,
        };
        reencode::utils::parse_imports(self, section, imports)
    }
}
