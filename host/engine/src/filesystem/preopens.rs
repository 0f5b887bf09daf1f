//! `wasi:filesystem/preopens`: the project is `/`, and there is nothing else.

use longhouse_core::ProjectPath;
use longhouse_workspace::OpenOptions;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::preopens;

use super::FsView;

impl preopens::Host for FsView<'_> {
    /// A trap if too much is open already: there is no error to answer with.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let options = OpenOptions { directory: true, ..OpenOptions::default() };
        let slot = self.slot()?;
        let root = self.fs.mounts.open_at(&ProjectPath::root(), options)?;
        let descriptor = self.push(root, OpenMode::READ, slot)?;
        Ok(vec![(descriptor, "/".to_owned())])
    }
}
