//! `wasi:filesystem/types` `descriptor`: every call of it.
//!
//! Calls with a path go to `longhouse-workspace`; calls on what is open already go to the stock
//! implementation, which has no path to follow there. What is open for writing is a staged file of the run.

use longhouse_workspace::{Follow, Times};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, Filesize, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::FsView;
use super::convert::{descriptor_stat, follow, metadata_hash, new_time, open_options};
use super::counting::{Counted, Growth};
use super::error::code;

type Fd = Resource<Descriptor>;

impl HostDescriptor for FsView<'_> {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.fs.listed = None;
        let path = self.path(&fd, &path)?;
        let (options, mode) = open_options(path_flags, open_flags, flags)?;
        // First: what cannot be handed over is not created or cut either.
        let slot = self.slot()?;
        let opened = self.fs.mounts.open_at(&path, options).map_err(code)?;
        self.push(opened, mode, slot)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let slot = self.slot()?;
        let path = self.directory(&fd)?;
        let entries = self.fs.mounts.at(path).read_dir(path).map_err(code)?;
        self.push_entries(entries, slot)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        Ok(descriptor_stat(&self.stat_open(&fd)?))
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let path = self.path(&fd, &path)?;
        Ok(descriptor_stat(&self.fs.mounts.at(&path).stat(&path, follow(flags)).map_err(code)?))
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        Ok(metadata_hash(self.stat_open(&fd)?.identity))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        if follow(flags) == Follow::No
            && let Some(identity) = self.just_listed(&fd, &path)?
        {
            return Ok(metadata_hash(identity));
        }
        let path = self.path(&fd, &path)?;
        Ok(metadata_hash(self.fs.mounts.at(&path).stat(&path, follow(flags)).map_err(code)?.identity))
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let path = self.path(&fd, &path)?;
        Ok(self.fs.mounts.at(&path).read_link(&path).map_err(code)?)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let path = self.entry(&fd, &path)?;
        Ok(self.fs.mounts.at(&path).create_dir(&path).map_err(code)?)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let path = self.entry(&fd, &path)?;
        Ok(self.fs.mounts.at(&path).remove_file(&path).map_err(code)?)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let path = self.entry(&fd, &path)?;
        Ok(self.fs.mounts.at(&path).remove_dir(&path).map_err(code)?)
    }

    async fn rename_at(&mut self, fd: Fd, from: String, to_fd: Fd, to: String) -> FsResult<()> {
        let from = self.entry(&fd, &from)?;
        let to = self.entry(&to_fd, &to)?;
        Ok(self.fs.mounts.rename(&from, &to).map_err(code)?)
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let path = self.path(&fd, &path)?;
        let times = Times { accessed: new_time(accessed)?, modified: new_time(modified)? };
        Ok(self.fs.mounts.at(&path).set_times(&path, follow(flags), times).map_err(code)?)
    }

    /// A copy: no file here has two names, because a second one would outlive what was granted for the first.
    async fn link_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        from: String,
        to_fd: Fd,
        to: String,
    ) -> FsResult<()> {
        let from = self.path(&fd, &from)?;
        let to = self.entry(&to_fd, &to)?;
        Ok(self.fs.mounts.copy_file(&from, follow(flags), &to).map_err(code)?)
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        let path = self.entry(&fd, &path)?;
        Ok(self.fs.mounts.at(&path).symlink(&target, &path).map_err(code)?)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(self.input(&fd, offset)?);
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let growth = self.growth(&fd, Some(offset))?;
        let stream = self.stock().write_via_stream(fd, offset)?;
        self.push_output(stream, growth)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let growth = self.growth(&fd, None)?;
        let stream = self.stock().append_via_stream(fd)?;
        self.push_output(stream, growth)
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let (bytes, end) = self.stock().read(fd, length, offset).await?;
        self.fs.counters.read(bytes.len());
        Ok((bytes, end))
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.growth(&fd, Some(offset))?.add(bytes.len())?;
        let written = self.stock().write(fd, bytes, offset).await?;
        self.fs.counters.written(usize::try_from(written).unwrap_or(usize::MAX));
        Ok(written)
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.growth(&fd, Some(size))?.add(0)?;
        self.stock().set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        if self.is_own(&fd)? {
            return self.stock().set_times(fd, accessed, modified).await;
        }
        let times = Times { accessed: new_time(accessed)?, modified: new_time(modified)? };
        let path = self.opened_path(&fd)?;
        Ok(self.fs.mounts.at(path).set_times(path, Follow::No, times).map_err(code)?)
    }

    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.stock().advise(fd, offset, length, advice).await
    }

    /// Nothing to do: what is published is synced then, all at once.
    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.opened_path(&fd).map(drop)
    }

    /// As [`HostDescriptor::sync`].
    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.opened_path(&fd).map(drop)
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.stock().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        Ok(match self.table.get(&fd)? {
            Descriptor::File(_) => DescriptorType::RegularFile,
            Descriptor::Dir(_) => DescriptorType::Directory,
        })
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.stock().is_same_object(a, b).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.close(fd)
    }
}

impl FsView<'_> {
    fn push_output(
        &mut self,
        stream: Resource<DynOutputStream>,
        growth: Growth,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.table.delete(stream)?;
        Ok(self.table.push(Counted::output(stream, &self.fs.counters, growth))?)
    }
}
