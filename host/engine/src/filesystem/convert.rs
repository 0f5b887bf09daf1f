//! Between WASI's words and the workspace's.

use longhouse_workspace::{Create, Follow, Identity, Kind, NewTime, OpenOptions, Stat};
use wasmtime_wasi::filesystem::OpenMode;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};

pub(super) const fn kind(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Directory => DescriptorType::Directory,
        Kind::Link => DescriptorType::SymbolicLink,
    }
}

pub(super) fn follow(flags: PathFlags) -> Follow {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) { Follow::Last } else { Follow::No }
}

/// How to open, and what the descriptor will say that it was opened for.
pub(super) fn open_options(
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

pub(super) fn descriptor_stat(stat: &Stat) -> DescriptorStat {
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

pub(super) const fn metadata_hash(identity: Identity) -> MetadataHashValue {
    let (lower, upper) = identity.digest();
    MetadataHashValue { lower, upper }
}

pub(super) fn new_time(time: NewTimestamp) -> Result<NewTime, ErrorCode> {
    match time {
        NewTimestamp::NoChange => Ok(NewTime::Unchanged),
        NewTimestamp::Now => Ok(NewTime::Now),
        NewTimestamp::Timestamp(Datetime { nanoseconds, .. }) if nanoseconds >= 1_000_000_000 => {
            Err(ErrorCode::Invalid)
        }
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            let seconds = i64::try_from(seconds).map_err(|_| ErrorCode::Overflow)?;
            Ok(NewTime::At { seconds, nanoseconds })
        }
    }
}
