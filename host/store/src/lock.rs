//! One process per project, enforced by the operating system.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::LockError;

/// Held while a process has a project open; the operating system releases it when the process ends, however
/// it ends.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

impl ProjectLock {
    /// Takes the lock of the project whose private directory is `home`, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn take(home: &Path) -> Result<Self, LockError> {
        let path = home.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        #[expect(clippy::disallowed_methods, reason = "the lock is no project file")]
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: read_pid(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        write!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_the_first_is() {
        let home = tempfile::tempdir().unwrap();
        let first = ProjectLock::take(home.path()).unwrap();
        let Err(LockError::Held { pid }) = ProjectLock::take(home.path()) else { panic!("taken twice") };
        assert_eq!(pid, std::process::id().to_string());
        drop(first);
        ProjectLock::take(home.path()).unwrap();
    }
}
