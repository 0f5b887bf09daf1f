//! Content on its way into the project.

use std::fs::File;
use std::io::Write as _;

use longhouse_core::{EntryKind, EntryName, Version};
use rustix::fs::{Gid, Mode, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat};

use crate::WorkspaceError;
use crate::publish::Files;

/// The longest list of attributes, and the longest attribute, that are kept, in bytes.
const MAX_ATTRIBUTES: usize = 64 << 10;

impl Files {
    /// Stages a file and makes its content safe. It is like `base` in mode, group and attributes, if there is one.
    pub(super) fn stage_file(
        &self,
        name: &EntryName,
        content: &[u8],
        base: Option<&File>,
        executable: Option<bool>,
    ) -> Result<Version, WorkspaceError> {
        let mut file = self.create_staged(name)?;
        file.write_all(content).map_err(WorkspaceError::Io)?;
        if let Some(base) = base {
            be_like(&file, base)?;
        }
        let mode = Mode::from_raw_mode(fstat(&file)?.st_mode);
        let runs = mode.contains(Mode::XUSR);
        if executable.is_some_and(|executable| executable != runs) {
            // Whoever may read it may run it, or nobody.
            let readers =
                Mode::from_raw_mode((mode & (Mode::RUSR | Mode::RGRP | Mode::ROTH)).as_raw_mode() >> 2);
            let all = Mode::XUSR | Mode::XGRP | Mode::XOTH;
            fchmod(&file, if runs { mode - all } else { mode | readers | Mode::XUSR })?;
        }
        // On the file systems of Linux, the sync of a new file makes its name safe, too.
        file.sync_all().map_err(WorkspaceError::Io)?;
        let kind = if executable.unwrap_or(runs) { EntryKind::Executable } else { EntryKind::File };
        Ok(Version { kind, hash: *blake3::hash(content).as_bytes() })
    }
}

/// Gives a file another's mode, group and attributes, as far as that is allowed.
pub(crate) fn be_like(file: &File, base: &File) -> Result<(), WorkspaceError> {
    let stat = fstat(base)?;
    // Another group than our own may be refused.
    let _ = fchown(file, None, Some(Gid::from_raw(stat.st_gid)));
    fchmod(file, Mode::from_raw_mode(stat.st_mode))?;
    let mut names = vec![0; MAX_ATTRIBUTES];
    let Ok(length) = flistxattr(base, &mut names) else { return Ok(()) };
    for name in
        names.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty())
    {
        let mut value = vec![0; MAX_ATTRIBUTES];
        if let Ok(length) = fgetxattr(base, name, &mut value) {
            // Some are the system's own.
            let _ = fsetxattr(file, name, value.get(..length).unwrap_or_default(), XattrFlags::empty());
        }
    }
    Ok(())
}
