//! The way from SQLite to a [`Disk`]: a VFS over the system's own, which is SQLite's default from then on.
//!
//! Locks and shared memory stay the system's, so that what is tested is the store and the SQLite that it ships.
#![allow(unsafe_code, reason = "SQLite's interface for file systems is C")]

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clap::ValueEnum;
use rusqlite::ffi;

use crate::disk::{Change, Disk, Failure};

/// What is done with `PRAGMA synchronous=FULL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Synchronous {
    AsAsked,
    /// SQLite is made to read `NORMAL` instead.
    Normal,
}

/// Directories and what is under their files.
static DISKS: Mutex<BTreeMap<PathBuf, Mounted>> = Mutex::new(BTreeMap::new());

/// SQLite's own VFS.
static SYSTEM: OnceLock<System> = OnceLock::new();

#[derive(Clone)]
struct Mounted {
    disk: Arc<Disk>,
    synchronous: Synchronous,
}

struct System(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite's default VFS lives as long as the process and may be used by all threads.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

/// An open file, as SQLite allots it, aligned to 8 bytes. The system's own follows in the same memory.
#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

struct Open {
    mounted: Mounted,
    path: PathBuf,
    /// The next sync is one of its directory, too: it was created, and is a journal.
    lists: bool,
}

/// Puts a disk under the databases of this directory that are opened from now on.
pub fn mount(dir: &Path, synchronous: Synchronous) -> Arc<Disk> {
    mount_disk(dir, synchronous, Disk::default())
}

/// What the next process finds if this one is killed now and the power lasts: the same, what is not synced included.
/// It finds it in another directory, so that this one need not be killed.
pub fn mount_as_left(disk: &Disk, from: &Path, to: &Path) -> std::io::Result<Arc<Disk>> {
    Ok(mount_disk(to, Synchronous::AsAsked, disk.as_left(from, to)?))
}

fn mount_disk(dir: &Path, synchronous: Synchronous, disk: Disk) -> Arc<Disk> {
    SYSTEM.get_or_init(register);
    let disk = Arc::new(disk);
    let dir = dir.canonicalize().expect("the directory is there");
    let mounted = Mounted { disk: Arc::clone(&disk), synchronous };
    DISKS.lock().unwrap_or_else(PoisonError::into_inner).insert(dir, mounted);
    disk
}

fn register() -> System {
    const ROOM: c_int = size_of::<Handle>() as c_int;
    // SAFETY: the default VFS is never unregistered; ours is a copy of it that is leaked, with room for both files.
    unsafe {
        let system = ffi::sqlite3_vfs_find(std::ptr::null());
        let mut ours = *system;
        ours.zName = c"longhouse-power".as_ptr();
        ours.szOsFile += ROOM;
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1);
        assert_eq!(registered, ffi::SQLITE_OK);
        System(system)
    }
}

fn system() -> *mut ffi::sqlite3_vfs {
    SYSTEM.get().expect("nothing is opened before the VFS is registered").0
}

fn mounted(path: &Path) -> Option<Mounted> {
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    path.parent().and_then(|dir| disks.get(dir)).cloned()
}

/// # Safety
/// `name` is null, or a string that outlives the result.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: as the caller promises.
    (!name.is_null()).then(|| Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    const JOURNAL: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;
    // SAFETY: the arguments are SQLite's; `file` has room for both files, see `register`.
    unsafe {
        let system_open = (*system()).xOpen.expect("every VFS opens");
        let kept = flags & (ffi::SQLITE_OPEN_MAIN_DB | JOURNAL) != 0;
        let Some((path, mounted)) = path(name).filter(|_| kept).and_then(|path| Some((path, mounted(path)?)))
        else {
            return system_open(system(), name, file, flags, out_flags);
        };
        let is_new = !path.exists();
        let inner = inner(file);
        let opened = system_open(system(), name, inner, flags, out_flags);
        if opened != ffi::SQLITE_OK {
            (*file).pMethods = std::ptr::null();
            return opened;
        }
        mounted.disk.open(path, || content(inner), is_new);
        let lists = is_new && flags & JOURNAL != 0;
        let open = Open { mounted, path: path.to_owned(), lists };
        *file.cast::<Handle>() =
            Handle { base: ffi::sqlite3_file { pMethods: &METHODS }, open: Box::into_raw(Box::new(open)) };
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: the arguments are SQLite's.
    unsafe {
        let delete = (*system()).xDelete.expect("every VFS deletes");
        let delete = || delete(system(), name, sync_dir);
        match path(name).and_then(|path| Some((path, mounted(path)?))) {
            Some((path, mounted)) => mounted.disk.delete(path, sync_dir != 0, delete),
            None => delete(),
        }
    }
}

/// The whole of a file, read by SQLite's own descriptor: closing another one would drop SQLite's locks.
///
/// # Safety
/// `file` is an open file of the system's VFS.
unsafe fn content(file: *mut ffi::sqlite3_file) -> Vec<u8> {
    // SAFETY: as the caller promises; the buffer is as long as is said.
    unsafe {
        let methods = &*(*file).pMethods;
        let mut length = 0;
        let sized = methods.xFileSize.expect("every file has a size")(file, &raw mut length);
        assert_eq!(sized, ffi::SQLITE_OK);
        let mut content = vec![0; length as usize];
        if !content.is_empty() {
            let into = content.as_mut_ptr().cast();
            let read = methods.xRead.expect("every file is read")(file, into, length as c_int, 0);
            assert_eq!(read, ffi::SQLITE_OK);
        }
        content
    }
}

/// # Safety
/// `file` was opened by [`open`] or is about to be.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the system's file follows ours.
    unsafe { file.cast::<Handle>().add(1).cast() }
}

/// # Safety
/// `file` was opened by [`open`] and is used by nobody else now.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: as the caller promises.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

fn code(failure: Failure) -> c_int {
    match failure {
        Failure::Full => ffi::SQLITE_FULL,
        Failure::Write => ffi::SQLITE_IOERR_WRITE,
        Failure::Sync => ffi::SQLITE_IOERR_FSYNC,
    }
}

/// What the system's file does with it.
macro_rules! passed_on {
    ($name:ident = $method:ident($($argument:ident: $type:ty),*) -> $result:ty) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($argument: $type),*) -> $result {
            // SAFETY: the arguments are SQLite's, and the system's file has all methods of its version.
            unsafe {
                let file = inner(file);
                (*(*file).pMethods).$method.expect("unix files have it")(file, $($argument),*)
            }
        }
    };
}

passed_on!(lock = xLock(level: c_int) -> c_int);
passed_on!(unlock = xUnlock(level: c_int) -> c_int);
passed_on!(check_reserved_lock = xCheckReservedLock(reserved: *mut c_int) -> c_int);
passed_on!(sector_size = xSectorSize() -> c_int);
passed_on!(device_characteristics = xDeviceCharacteristics() -> c_int);
passed_on!(shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int);
passed_on!(shm_barrier = xShmBarrier() -> ());
passed_on!(shm_unmap = xShmUnmap(delete: c_int) -> c_int);
passed_on!(system_shm_map = xShmMap(region: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int);
passed_on!(system_control = xFileControl(operation: c_int, argument: *mut c_void) -> c_int);
passed_on!(system_close = xClose() -> c_int);

/// Version 2: without `xFetch`, so that SQLite maps nothing and every read comes to [`read`].
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; `open` made the box.
    unsafe {
        drop(Box::from_raw((*file.cast::<Handle>()).open));
        system_close(file)
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's buffer is as long as it says.
    let (Open { mounted, path, .. }, into) =
        unsafe { (opened(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), length as usize)) };
    let read = mounted.disk.read(path, offset as u64, into);
    if read == into.len() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's buffer is as long as it says.
    let (Open { mounted, path, .. }, from) =
        unsafe { (opened(file), std::slice::from_raw_parts(from.cast::<u8>(), length as usize)) };
    mounted.disk.write(path, offset as u64, from).map_or_else(code, |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let Open { mounted, path, .. } = unsafe { opened(file) };
    mounted.disk.set_len(path, length as u64).map_or_else(code, |()| ffi::SQLITE_OK)
}

/// The real file is written and not synced: a process that ends takes nothing from it.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open, and the system's file takes what SQLite would have given it.
    unsafe {
        let Open { mounted, path, lists } = opened(file);
        let inner = inner(file);
        let methods = &*(*inner).pMethods;
        let apply = |change: &Change| {
            let done = match change {
                Change::Write { offset, bytes } => methods.xWrite.expect("every file is written")(
                    inner,
                    bytes.as_ptr().cast(),
                    bytes.len() as c_int,
                    *offset as i64,
                ),
                Change::SetLen(length) => {
                    methods.xTruncate.expect("every file is cut")(inner, *length as i64)
                }
            };
            if done == ffi::SQLITE_OK { Ok(()) } else { Err(done) }
        };
        match mounted.disk.sync(path, *lists, apply) {
            Ok(Ok(())) => {
                *lists = false;
                ffi::SQLITE_OK
            }
            Ok(Err(failed)) => failed,
            Err(failure) => code(failure),
        }
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: SQLite's arguments.
    unsafe {
        let Open { mounted, path, .. } = opened(file);
        *size = mounted.disk.len(path) as i64;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: SQLite's arguments; those of a pragma are its name and value, in memory that it reads again afterwards.
    unsafe {
        if operation == ffi::SQLITE_FCNTL_PRAGMA && opened(file).mounted.synchronous == Synchronous::Normal {
            let words = argument.cast::<*mut c_char>();
            let (name, value) = (*words.add(1), *words.add(2));
            if !value.is_null()
                && CStr::from_ptr(name).to_bytes().eq_ignore_ascii_case(b"synchronous")
                && CStr::from_ptr(value).to_bytes().eq_ignore_ascii_case(b"full")
            {
                // NORMAL, in its short form.
                value.write(b'1' as c_char);
                value.add(1).write(0);
            }
        }
        system_control(file, operation, argument)
    }
}

/// What SQLite keeps in shared memory is a file of the system; on a disk that is full it cannot grow.
unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    at: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite's arguments.
    unsafe {
        let Open { mounted, path, .. } = opened(file);
        let shm = PathBuf::from(format!("{}-shm", path.display()));
        let there = shm.metadata().map_or(0, |shm| shm.len());
        let grows = extend != 0 && there < (region as u64 + 1) * size as u64;
        if grows && !mounted.disk.has_room() {
            *at = std::ptr::null_mut();
            return ffi::SQLITE_IOERR_SHMSIZE;
        }
        system_shm_map(file, region, size, extend, at)
    }
}
