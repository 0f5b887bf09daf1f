//! Keeping what was built under the hash of what it was made from.

use std::path::{Path, PathBuf};

use crate::Build;

/// Names one set of guests by everything that decides what they will be.
pub struct Key(blake3::Hasher);

impl Key {
    /// A key for guests named `name`, built with this compiler.
    pub fn new(build: &Build, name: &str) -> anyhow::Result<Self> {
        let mut key = Self::without_compiler(name);
        key.add(build.compiler.identity().as_bytes());
        // How modules become components.
        key.add(include_bytes!("../../../../host/engine/src/componentize.rs"));
        Ok(key)
    }

    /// A key for guests named `name` that another compiler would make the same.
    pub fn without_compiler(name: &str) -> Self {
        let mut key = Self(blake3::Hasher::new());
        key.add(name.as_bytes());
        key
    }

    /// Adds something that decides.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    /// Adds the contents of files of `plugins`, and their names there: another checkout is given the same key.
    pub fn add_files(&mut self, build: &Build, files: &[PathBuf]) -> anyhow::Result<()> {
        self.add_files_of(&build.plugins, files)
    }

    /// The same for files of `dir`.
    pub fn add_files_of(&mut self, dir: &Path, files: &[PathBuf]) -> anyhow::Result<()> {
        for file in files {
            self.add(file.strip_prefix(dir)?.as_os_str().as_encoded_bytes());
            self.add(&std::fs::read(file)?);
        }
        Ok(())
    }
}

/// One guest, finished.
pub struct Guest {
    /// The directory that it goes to: `fixtures`, `policies`, `tools` and the like.
    pub kind: &'static str,
    pub name: String,
    pub component: Vec<u8>,
    /// What the host is told of it; policies tell by themselves.
    pub manifest: Option<String>,
}

/// Puts the guests of `key` in place, making them first if they are not kept.
pub fn install(
    build: &Build,
    key: Key,
    what: &str,
    make: impl FnOnce() -> anyhow::Result<Vec<Guest>>,
) -> anyhow::Result<()> {
    let kept = build.out.join("cache").join(key.0.finalize().to_hex().as_str());
    if !kept.is_dir() {
        eprintln!("guests: building {what}");
        let started = std::time::Instant::now();
        let unfinished = kept.with_extension("unfinished");
        if unfinished.is_dir() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        for guest in make()? {
            let dir = unfinished.join(guest.kind);
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join(format!("{}.wasm", guest.name)), guest.component)?;
            if let Some(manifest) = guest.manifest {
                std::fs::write(dir.join(format!("{}.toml", guest.name)), manifest)?;
            }
        }
        std::fs::rename(unfinished, &kept)?;
        eprintln!("guests: built {what} in {} s", started.elapsed().as_secs());
    }
    for kind in std::fs::read_dir(&kept)? {
        let kind = kind?;
        let to = build.out.join(kind.file_name());
        std::fs::create_dir_all(&to)?;
        for file in std::fs::read_dir(kind.path())? {
            let file = file?;
            replace(&file.path(), &to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// Copies, unless it would change nothing: a server may be reading the old file.
fn replace(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let beside = to.with_extension("new");
    std::fs::write(&beside, new)?;
    Ok(std::fs::rename(beside, to)?)
}
