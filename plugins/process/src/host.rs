//! `longhouse:tool/process`, by hand: as the canonical ABI lays it out, so that a program that uses this needs nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

pub(crate) enum Input {
    Inherit,
    Null,
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy)]
pub(crate) enum Sink {
    Inherit = 0,
    Null = 1,
    Capture = 2,
}

pub(crate) struct Ended {
    pub(crate) status: u8,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// A `string` or a `list<u8>`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Bytes {
    start: *const u8,
    length: usize,
}

/// `result<ended, failure>`.
#[repr(C)]
struct Answer {
    failed: u8,
    _unused: [u8; 3],
    /// The status, or which failure.
    value: u8,
    stdout: Bytes,
    stderr: Bytes,
}

const _: () = assert!(
    size_of::<Answer>() == 24
        && std::mem::offset_of!(Answer, stdout) == 8
        && std::mem::offset_of!(Answer, value) == 4
);

#[link(wasm_import_module = "longhouse:tool/process@0.1.0")]
unsafe extern "C" {
    /// The fields of a `command`, each option and variant with its discriminant before it.
    #[link_name = "run"]
    fn call(
        argv: *const Bytes,
        argc: usize,
        has_environment: i32,
        environment: *const [Bytes; 2],
        variables: usize,
        has_cwd: i32,
        cwd: *const u8,
        cwd_length: usize,
        input: i32,
        given: *const u8,
        given_length: usize,
        stdout: i32,
        stderr: i32,
        answer: *mut MaybeUninit<Answer>,
    );
}

pub(crate) fn run(
    argv: &[OsString],
    environment: Option<&[(OsString, OsString)]>,
    directory: Option<&Path>,
    stdin: Input,
    stdout: Sink,
    stderr: Sink,
) -> io::Result<Ended> {
    let argv: Vec<Bytes> = argv.iter().map(|argument| bytes(argument)).collect();
    let has_environment = i32::from(environment.is_some());
    let environment: Vec<[Bytes; 2]> =
        environment.unwrap_or_default().iter().map(|(name, value)| [bytes(name), bytes(value)]).collect();
    let has_cwd = i32::from(directory.is_some());
    let cwd = bytes(directory.map_or(OsStr::new(""), Path::as_os_str));
    let (input, given) = match &stdin {
        Input::Inherit => (0, [].as_slice()),
        Input::Null => (1, [].as_slice()),
        Input::Bytes(bytes) => (2, bytes.as_slice()),
    };
    let mut answer = MaybeUninit::<Answer>::zeroed();
    // SAFETY: everything that is pointed to lives until the call returns, and lies as `wit/tool/process.wit` says.
    unsafe {
        call(
            argv.as_ptr(),
            argv.len(),
            has_environment,
            environment.as_ptr(),
            environment.len(),
            has_cwd,
            cwd.start,
            cwd.length,
            input,
            given.as_ptr(),
            given.len(),
            stdout as i32,
            stderr as i32,
            &raw mut answer,
        );
    }
    // SAFETY: it is all zero where the host has left it alone.
    let Answer { failed, _unused, value, stdout, stderr } = unsafe { answer.assume_init() };
    if failed != 0 {
        return Err(match value {
            0 => io::Error::new(io::ErrorKind::NotFound, "command not found"),
            1 => io::Error::new(io::ErrorKind::PermissionDenied, "permission denied"),
            2 => io::Error::new(io::ErrorKind::InvalidInput, "cannot be run so"),
            _ => io::Error::new(io::ErrorKind::ResourceBusy, "too many commands run at the same time"),
        });
    }
    // SAFETY: the host has these made by `cabi_realloc`, which is malloc's, as is the global allocator, and nobody else has
    // them.
    let (stdout, stderr) = unsafe { (owned(stdout), owned(stderr)) };
    Ok(Ended { status: value, stdout, stderr })
}

fn bytes(text: &OsStr) -> Bytes {
    let bytes = text.as_encoded_bytes();
    Bytes { start: bytes.as_ptr(), length: bytes.len() }
}

unsafe fn owned(bytes: Bytes) -> Vec<u8> {
    if bytes.length == 0 {
        return Vec::new();
    }
    // SAFETY: as the caller says.
    unsafe { Vec::from_raw_parts(bytes.start.cast_mut(), bytes.length, bytes.length) }
}
