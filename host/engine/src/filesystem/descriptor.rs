//! `wasi:filesystem/types` `descriptor`: every call of it.
//!
//! Calls with a path go to `longhouse-workspace`; calls on what is open already go to the stock
//! implementation, which has no path to follow there.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longhouse_workspace::{Create, Follow, OpenOptions, Stat, Times};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, OpenMode};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode, Filesize,
    HostDescriptor, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::FsView;
use super::counting::{counted_input, counted_output};
use super::directory::kind;
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
        let path = self.path(&fd, &path)?;
        let (options, mode) = open_options(path_flags, open_flags, flags)?;
        if options.write || options.truncate || options.create != Create::No {
            self.writable()?;
        }
        let opened = self.fs.root.open_at(&path, options).map_err(code)?;
        self.push(opened, mode)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let entries = self.fs.root.entries(&self.directory(&fd)?).map_err(code)?;
        self.push_entries(entries)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        Ok(descriptor_stat(&self.stat_open(&fd)?))
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let path = self.path(&fd, &path)?;
        Ok(descriptor_stat(&self.fs.root.stat(&path, follow(flags)).map_err(code)?))
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        Ok(metadata_hash(&self.stat_open(&fd)?))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let path = self.path(&fd, &path)?;
        Ok(metadata_hash(&self.fs.root.stat(&path, follow(flags)).map_err(code)?))
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let path = self.path(&fd, &path)?;
        Ok(self.fs.root.read_link(&path).map_err(code)?)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.writable()?;
        let path = self.path(&fd, &path)?;
        Ok(self.fs.root.create_dir(&path).map_err(code)?)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.writable()?;
        let path = self.path(&fd, &path)?;
        Ok(self.fs.root.remove_file(&path).map_err(code)?)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.writable()?;
        let path = self.path(&fd, &path)?;
        Ok(self.fs.root.remove_dir(&path).map_err(code)?)
    }

    async fn rename_at(&mut self, fd: Fd, from: String, to_fd: Fd, to: String) -> FsResult<()> {
        self.writable()?;
        let from = self.path(&fd, &from)?;
        let to = self.path(&to_fd, &to)?;
        Ok(self.fs.root.rename(&from, &to).map_err(code)?)
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.writable()?;
        let path = self.path(&fd, &path)?;
        let times = Times { accessed: new_time(accessed)?, modified: new_time(modified)? };
        Ok(self.fs.root.set_times(&path, follow(flags), times).map_err(code)?)
    }

    /// Links cannot be made: a second name would outlive what was granted for the first.
    async fn link_at(&mut self, _: Fd, _: PathFlags, _: String, _: Fd, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    /// As [`HostDescriptor::link_at`].
    async fn symlink_at(&mut self, _: Fd, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let stream = self.stock().read_via_stream(fd, offset)?;
        let stream = self.table.delete(stream)?;
        Ok(self.table.push(counted_input(stream, Arc::clone(&self.fs.counters)))?)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.stock().write_via_stream(fd, offset)?;
        let stream = self.table.delete(stream)?;
        Ok(self.table.push(counted_output(stream, Arc::clone(&self.fs.counters)))?)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.stock().append_via_stream(fd)?;
        let stream = self.table.delete(stream)?;
        Ok(self.table.push(counted_output(stream, Arc::clone(&self.fs.counters)))?)
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let (bytes, end) = self.stock().read(fd, length, offset).await?;
        self.fs.counters.read(bytes.len());
        Ok((bytes, end))
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let written = self.stock().write(fd, bytes, offset).await?;
        self.fs.counters.written(written);
        Ok(written)
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.writable()?;
        self.stock().set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        self.writable()?;
        self.stock().set_times(fd, accessed, modified).await
    }

    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.stock().advise(fd, offset, length, advice).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.stock().sync(fd).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.stock().sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.stock().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.stock().get_type(fd).await
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.stock().is_same_object(a, b).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.close(fd)
    }
}

fn follow(flags: PathFlags) -> Follow {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) { Follow::Last } else { Follow::No }
}

fn open_options(
    path_flags: PathFlags,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<(OpenOptions, OpenMode), ErrorCode> {
    let syncs = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if flags.intersects(syncs) {
        return Err(ErrorCode::Unsupported);
    }
    let create = match (open_flags.contains(OpenFlags::CREATE), open_flags.contains(OpenFlags::EXCLUSIVE)) {
        (false, _) => Create::No,
        (true, false) => Create::IfMissing,
        (true, true) => Create::New,
    };
    let truncate = open_flags.contains(OpenFlags::TRUNCATE);
    let directory = open_flags.contains(OpenFlags::DIRECTORY);
    if directory && (create != Create::No || truncate) {
        return Err(ErrorCode::Invalid);
    }
    let write = flags.contains(DescriptorFlags::WRITE) || create != Create::No || truncate;
    let read = flags.contains(DescriptorFlags::READ) || !write;
    let no_follow = follow(path_flags) == Follow::No;
    let mut mode = OpenMode::empty();
    mode.set(OpenMode::READ, read);
    mode.set(OpenMode::WRITE, write);
    Ok((OpenOptions { write, read, create, truncate, directory, no_follow }, mode))
}

fn descriptor_stat(stat: &Stat) -> DescriptorStat {
    // Before 1970 there is no way to say it.
    let time = |(seconds, nanoseconds): (i64, u32)| {
        u64::try_from(seconds).ok().map(|seconds| Datetime { seconds, nanoseconds })
    };
    DescriptorStat {
        type_: kind(stat.kind),
        link_count: stat.links,
        size: stat.size,
        data_access_timestamp: time(stat.accessed),
        data_modification_timestamp: time(stat.modified),
        status_change_timestamp: time(stat.changed),
    }
}

fn metadata_hash(stat: &Stat) -> MetadataHashValue {
    let (lower, upper) = stat.identity.digest();
    MetadataHashValue { lower, upper }
}

fn new_time(time: NewTimestamp) -> Result<Option<(i64, u32)>, ErrorCode> {
    let datetime = match time {
        NewTimestamp::NoChange => return Ok(None),
        NewTimestamp::Timestamp(datetime) => datetime,
        NewTimestamp::Now => {
            #[expect(clippy::disallowed_methods, reason = "the guest asks for the machine's time on a file")]
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
        }
    };
    if datetime.nanoseconds >= 1_000_000_000 {
        return Err(ErrorCode::Invalid);
    }
    let seconds = i64::try_from(datetime.seconds).map_err(|_| ErrorCode::Overflow)?;
    Ok(Some((seconds, datetime.nanoseconds)))
}
