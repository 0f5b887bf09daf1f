//! What a run's file system knows.

use std::collections::HashMap;
use std::sync::Arc;

use longhouse_core::{Access, ProjectPath};
use longhouse_workspace::{Opened, Root, Stat};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, File, FsPerms, OpenMode, WasiFilesystemCtx, WasiFilesystemCtxView,
};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::Counters;
use super::error::code;

/// The file system of one run.
pub(crate) struct FsState {
    pub(super) root: Arc<Root>,
    pub(super) counters: Arc<Counters>,
    access: Access,
    max_open: usize,
    /// Where each open descriptor is in the project, by its number in the table.
    open: HashMap<u32, ProjectPath>,
    stock: WasiFilesystemCtx,
}

/// The file system and the table of the store that it lives in.
pub(crate) struct FsView<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) fs: &'a mut FsState,
}

/// A store that has a file system.
pub(crate) trait HasFs: Send {
    /// Lends it.
    fn fs(&mut self) -> FsView<'_>;
}

/// Names our implementation to the linker.
pub(super) struct ProjectFs;

impl HasData for ProjectFs {
    type Data<'a> = FsView<'a>;
}

impl FsState {
    /// A file system that shows `root`, in which at most `max_open` descriptors are open at once.
    pub(crate) fn new(root: Arc<Root>, access: Access, max_open: u32, counters: Arc<Counters>) -> Self {
        let max_open = usize::try_from(max_open).unwrap_or(usize::MAX);
        Self { root, counters, access, max_open, open: HashMap::new(), stock: WasiFilesystemCtx::default() }
    }
}

impl FsView<'_> {
    /// The stock implementation, for what needs no path.
    pub(super) fn stock(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.fs.stock, table: self.table }
    }

    /// Passes if the run may change the project.
    pub(super) fn writable(&self) -> FsResult<()> {
        match self.fs.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(ErrorCode::ReadOnly.into()),
        }
    }

    /// The project path that `text` names from the directory `fd`.
    pub(super) fn path(&self, fd: &Resource<Descriptor>, text: &str) -> FsResult<ProjectPath> {
        match self.table.get(fd)? {
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
            Descriptor::Dir(_) => {
                let base = self.fs.open.get(&fd.rep()).ok_or(ErrorCode::BadDescriptor)?;
                Ok(base.join(text).map_err(|error| code(error.into()))?)
            }
        }
    }

    /// The project path of the directory `fd`.
    pub(super) fn directory(&self, fd: &Resource<Descriptor>) -> FsResult<ProjectPath> {
        self.path(fd, "")
    }

    /// Gives the guest a descriptor for what was opened.
    pub(super) fn push(&mut self, opened: Opened, mode: OpenMode) -> FsResult<Resource<Descriptor>> {
        if self.fs.open.len() >= self.fs.max_open {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let Opened { file, stat, path } = opened;
        let perms = match self.fs.access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        // A guest has its thread to itself, so its file calls block there instead of hopping to another.
        let descriptor = if stat.is_directory() {
            Descriptor::Dir(Dir::new(file, perms, mode, true))
        } else {
            Descriptor::File(File::new(file, perms, mode, true))
        };
        let resource = self.table.push(descriptor)?;
        self.fs.open.insert(resource.rep(), path);
        self.fs.counters.opened();
        Ok(resource)
    }

    /// Takes a descriptor back.
    pub(super) fn close(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.fs.open.remove(&fd.rep());
        self.table.delete(fd)?;
        Ok(())
    }

    /// The facts of an open descriptor.
    pub(super) fn stat_open(&self, fd: &Resource<Descriptor>) -> FsResult<Stat> {
        let file = match self.table.get(fd)? {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        };
        Ok(Stat::of_open(file).map_err(code)?)
    }
}
