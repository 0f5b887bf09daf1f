//! What a run's file system knows.

use std::collections::HashMap;
use std::sync::Arc;

use longhouse_core::ProjectPath;
use longhouse_workspace::{Follow, Identity, Opened, OwnFile, Stat};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, File, FsPerms, OpenMode, WasiFilesystemCtx, WasiFilesystemCtxView,
};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::Counters;
use super::counting::Growth;
use super::error::code;
use super::input::FileInput;
use crate::mounts::Mounts;

/// The file system of one program.
pub(crate) struct FsState {
    pub(super) mounts: Mounts,
    pub(super) counters: Arc<Counters>,
    slots: Arc<Semaphore>,
    /// What the guest holds, by its number in the table.
    open: HashMap<u32, Place>,
    /// The last entry that was read of a directory, until something else is done.
    pub(super) listed: Option<Listed>,
    stock: WasiFilesystemCtx,
}

/// An entry of a directory that was read. Whoever speaks WASI 0.1 asks for the hash of each as soon as it has it, for the
/// number that `readdir` gives; to look for it anew would take most of the time of a search.
pub(super) struct Listed {
    pub(super) directory: ProjectPath,
    pub(super) name: String,
    pub(super) identity: Identity,
}

/// The right to have one file of the host open. A stream shares it with the descriptor it was made from,
/// because either keeps that file open without the other.
pub(super) type Slot = Arc<OwnedSemaphorePermit>;

struct Place {
    /// Where it is in the project, without links.
    path: ProjectPath,
    slot: Slot,
    /// What to ask before it is written to.
    own: Option<OwnFile>,
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
    /// A file system that shows what `mounts` does, and changes it where that can be changed; so many files and directories
    /// are open at once as there are `slots`.
    pub(crate) fn new(mounts: Mounts, slots: Arc<Semaphore>, counters: Arc<Counters>) -> Self {
        Self {
            mounts,
            counters,
            slots,
            open: HashMap::new(),
            listed: None,
            stock: WasiFilesystemCtx::default(),
        }
    }
}

impl FsView<'_> {
    /// The stock implementation, for what needs no path.
    pub(super) fn stock(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.fs.stock, table: self.table }
    }

    /// The project path of the directory `fd`.
    pub(super) fn directory(&self, fd: &Resource<Descriptor>) -> FsResult<&ProjectPath> {
        match self.table.get(fd)? {
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
            Descriptor::Dir(_) => Ok(&self.place(fd)?.path),
        }
    }

    /// The project path that `text` names from the directory `fd`.
    pub(super) fn path(&self, fd: &Resource<Descriptor>, text: &str) -> FsResult<ProjectPath> {
        Ok(self.fs.mounts.locate(self.directory(fd)?, text).map_err(code)?)
    }

    /// The same for what makes, moves or removes the entry `text` itself, which has to be a name: not `.`, not
    /// `..`, and with a `/` after it only that of a directory, or of one to be.
    pub(super) fn entry(&mut self, fd: &Resource<Descriptor>, text: &str) -> FsResult<ProjectPath> {
        self.fs.listed = None;
        let name = text.trim_end_matches('/');
        let path = self.path(fd, if name.is_empty() { text } else { name })?;
        if matches!(name.rsplit('/').next(), Some("." | "..")) {
            return Err(ErrorCode::Invalid.into());
        }
        if name.len() < text.len()
            && self.fs.mounts.at(&path).stat(&path, Follow::No).is_ok_and(|it| !it.is_directory())
        {
            return Err(ErrorCode::NotDirectory.into());
        }
        Ok(path)
    }

    /// Room for one more open file.
    pub(super) fn slot(&self) -> FsResult<Slot> {
        let permit = Arc::clone(&self.fs.slots).try_acquire_owned();
        // WASI has no code for "too many open files".
        Ok(Arc::new(permit.map_err(|_| ErrorCode::InsufficientMemory)?))
    }

    /// Reading what is open as `fd`, from a byte on.
    pub(super) fn input(&self, fd: &Resource<Descriptor>, position: u64) -> FsResult<FileInput> {
        let slot = Arc::clone(&self.place(fd)?.slot);
        match self.table.get(fd)? {
            Descriptor::File(file) => {
                Ok(FileInput::new(Arc::clone(&file.file), position, Arc::clone(&self.fs.counters), slot))
            }
            Descriptor::Dir(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// Which file the entry `name` of the directory `fd` is, if that is what was read last.
    pub(super) fn just_listed(
        &mut self,
        fd: &Resource<Descriptor>,
        name: &str,
    ) -> FsResult<Option<Identity>> {
        let Some(listed) = self.fs.listed.take() else { return Ok(None) };
        let is_same = listed.name == name && listed.directory == *self.directory(fd)?;
        Ok(is_same.then_some(listed.identity))
    }

    /// Where what is open as `fd` was when it was opened.
    pub(super) fn opened_path(&self, fd: &Resource<Descriptor>) -> FsResult<&ProjectPath> {
        Ok(&self.place(fd)?.path)
    }

    /// Whether what is open as `fd` is a file of the run's own.
    pub(super) fn is_own(&self, fd: &Resource<Descriptor>) -> FsResult<bool> {
        Ok(self.place(fd)?.own.is_some())
    }

    /// Writing to `fd` at a byte, or at its end.
    pub(super) fn growth(&self, fd: &Resource<Descriptor>, position: Option<u64>) -> FsResult<Growth> {
        let Place { slot, own, .. } = self.place(fd)?;
        match self.table.get(fd)? {
            Descriptor::File(file) => Ok(Growth {
                _slot: Arc::clone(slot),
                file: Arc::clone(&file.file),
                own: own.clone(),
                position,
            }),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn place(&self, fd: &Resource<Descriptor>) -> FsResult<&Place> {
        Ok(self.fs.open.get(&fd.rep()).ok_or(ErrorCode::BadDescriptor)?)
    }

    /// Gives the guest a descriptor for what was opened.
    pub(super) fn push(
        &mut self,
        opened: Opened,
        mode: OpenMode,
        slot: Slot,
    ) -> FsResult<Resource<Descriptor>> {
        let Opened { file, stat, path, own, .. } = opened;
        let can_change = self.fs.mounts.at(&path).can_change();
        let directory_mode = if can_change { OpenMode::READ | OpenMode::WRITE } else { OpenMode::READ };
        let writes = own.is_some() || (can_change && stat.is_directory());
        let perms = if writes { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        // A guest has its thread to itself, so its file calls block there instead of hopping to another.
        let descriptor = if stat.is_directory() {
            Descriptor::Dir(Dir::new(file, perms, directory_mode, true))
        } else {
            Descriptor::File(File::new(file, perms, mode, true))
        };
        let resource = self.table.push(descriptor)?;
        self.fs.open.insert(resource.rep(), Place { path, slot, own });
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
