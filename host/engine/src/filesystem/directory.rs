//! `wasi:filesystem/types` `directory-entry-stream`: our own, so that what is hidden is not in it.

use longhouse_workspace::{Child, ReadDir};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DirectoryEntry, DirectoryEntryStream, HostDirectoryEntryStream,
};

use super::FsView;
use super::convert::kind;
use super::error::code;
use super::state::{Listed, Slot};

/// What is still to be read of a directory. The bindings fix another type for the guest's resource; the table
/// holds this one under the same number.
struct Entries {
    rest: ReadDir,
    _slot: Slot,
}

impl FsView<'_> {
    /// Gives the guest a stream of what is in a directory.
    pub(super) fn push_entries(
        &mut self,
        rest: ReadDir,
        slot: Slot,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let resource = self.table.push(Entries { rest, _slot: slot })?;
        Ok(Resource::new_own(resource.rep()))
    }
}

impl HostDirectoryEntryStream for FsView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let entries = self.table.get_mut(&Resource::<Entries>::new_borrow(stream.rep()))?;
        let child = entries.rest.next().transpose().map_err(code)?;
        let listed = |child: &Child| {
            let (directory, name) = (entries.rest.path().clone(), child.name.clone());
            Some(Listed { directory, name, identity: child.identity? })
        };
        self.fs.listed = child.as_ref().and_then(listed);
        Ok(child.map(|child| DirectoryEntry { type_: kind(child.kind), name: child.name }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Entries>::new_own(stream.rep()))?;
        Ok(())
    }
}
