//! Directory streams: our own, so that what is hidden is not in them.

use longhouse_workspace::{Entry, Kind};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, DirectoryEntryStream, HostDirectoryEntryStream,
};

use super::FsView;

/// What is still to be read of a directory. The bindings fix another type for the guest's resource; the table
/// holds this one under the same number.
pub(super) struct Entries(pub(super) std::vec::IntoIter<Entry>);

impl FsView<'_> {
    pub(super) fn push_entries(&mut self, entries: Vec<Entry>) -> FsResult<Resource<DirectoryEntryStream>> {
        let resource = self.table.push(Entries(entries.into_iter()))?;
        Ok(Resource::new_own(resource.rep()))
    }
}

impl HostDirectoryEntryStream for FsView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let Entries(entries) = self.table.get_mut(&Resource::<Entries>::new_borrow(stream.rep()))?;
        Ok(entries.next().and_then(|entry| {
            let (_, name) = entry.path.split_last()?;
            Some(DirectoryEntry { type_: kind(entry.stat.kind), name: name.to_owned() })
        }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Entries>::new_own(stream.rep()))?;
        Ok(())
    }
}

pub(super) const fn kind(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Directory => DescriptorType::Directory,
        Kind::Link => DescriptorType::SymbolicLink,
    }
}
