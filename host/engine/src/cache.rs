//! Compiled tools, kept from one start to the next.
//!
//! Loading compiled code trusts it as much as our own. So the directory is the server's alone, what is in it
//! is named by the hash of the component and of everything that decides how it is compiled, and a digest
//! beside each entry tells whether it is still what was written.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the server, not to a project")]

use std::fs::Permissions;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::EngineError;

/// Where compiled tools are kept, if anywhere.
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    /// Uses `dir`, which is created as needed, and closed to everybody else.
    pub(crate) fn open(dir: Option<PathBuf>) -> Result<Self, EngineError> {
        if let Some(path) = &dir {
            make_private(path).map_err(|source| EngineError::Io { path: path.clone(), source })?;
        }
        Ok(Self { dir })
    }

    /// Whether `component` can be had without compiling it.
    pub(crate) fn holds(&self, engine: &Engine, hash: &blake3::Hash) -> bool {
        self.entry(engine, hash).is_some_and(|entry| entry.is_file())
    }

    /// The compiled form of `bytes`, from the cache if it is there.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        hash: &blake3::Hash,
    ) -> wasmtime::Result<Component> {
        let Some(entry) = self.entry(engine, hash) else {
            return Component::new(engine, bytes);
        };
        if let Some(component) = load(engine, &entry) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(bytes)?;
        if let Err(error) = store(&entry, &compiled) {
            tracing::warn!(error = %error, path = %entry.display(), "a compiled tool could not be kept");
            return Component::new(engine, bytes);
        }
        drop(compiled);
        load(engine, &entry).map_or_else(|| Component::new(engine, bytes), Ok)
    }

    fn entry(&self, engine: &Engine, hash: &blake3::Hash) -> Option<PathBuf> {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let name = format!("{}-{:016x}.cwasm", hash.to_hex(), settings.finish());
        self.dir.as_ref().map(|dir| dir.join(name))
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // It may have been there, open to others. That of another user cannot be changed, and is an error.
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
}

/// Loads an entry, if it is whole.
fn load(engine: &Engine, entry: &Path) -> Option<Component> {
    let written = std::fs::read_to_string(entry.with_extension("blake3")).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(entry).ok()?).ok()?;
    if hasher.finalize().to_hex().as_str() != written {
        tracing::warn!(path = %entry.display(), "a compiled tool is damaged and is compiled again");
        return None;
    }
    // SAFETY: the file is what `store` wrote: only this server can write the directory, and the digest says
    // that nothing happened to it since. wasmtime itself checks that its own version and settings match.
    #[expect(unsafe_code, reason = "compiled code is machine code; loading it is an act of trust")]
    let loaded = unsafe { Component::deserialize_file(engine, entry) };
    loaded.map_err(|error| tracing::warn!(error = %error, "a compiled tool could not be loaded")).ok()
}

fn store(entry: &Path, compiled: &[u8]) -> io::Result<()> {
    write_whole(&entry.with_extension("blake3"), blake3::hash(compiled).to_hex().as_bytes())?;
    write_whole(entry, compiled)
}

/// Readers see all of it or nothing, also when several servers write at once.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    unfinished.write_all(bytes)?;
    unfinished.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"(component)";

    fn compile(cache: &Cache, engine: &Engine) {
        cache.compile(engine, COMPONENT, &blake3::hash(COMPONENT)).unwrap();
    }

    #[test]
    fn what_was_compiled_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, cache) = (Engine::default(), Cache::open(Some(dir.path().join("compiled"))).unwrap());
        let hash = blake3::hash(COMPONENT);
        assert!(!cache.holds(&engine, &hash));
        compile(&cache, &engine);
        assert!(cache.holds(&engine, &hash));
        assert!(load(&engine, &cache.entry(&engine, &hash).unwrap()).is_some());

        let mut other = wasmtime::Config::new();
        let other = Engine::new(other.epoch_interruption(true)).unwrap();
        assert!(!cache.holds(&other, &hash), "an engine with other settings compiles otherwise");
    }

    #[test]
    fn a_damaged_entry_is_not_trusted_and_compiled_again() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, cache) = (Engine::default(), Cache::open(Some(dir.path().to_owned())).unwrap());
        compile(&cache, &engine);
        let entry = cache.entry(&engine, &blake3::hash(COMPONENT)).unwrap();
        let mut bytes = std::fs::read(&entry).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&entry, bytes).unwrap();
        assert!(load(&engine, &entry).is_none());
        compile(&cache, &engine);
        assert!(load(&engine, &entry).is_some());
    }

    #[test]
    fn the_directory_is_closed_to_others_even_if_it_was_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        Cache::open(Some(dir.path().to_owned())).unwrap();
        assert_eq!(dir.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
