//! Compiled tools, kept from one start to the next.
//!
//! Loading compiled code trusts it as much as our own. So the directory is the server's alone, what is in it
//! is named by the hash of the component and of everything that decides how it is compiled, and a digest
//! beside each entry tells whether it is still what was written.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the server, not to a project")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::EngineError;

/// Where compiled tools are kept, if anywhere.
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    /// Uses `dir`, which is created as needed.
    pub(crate) fn open(dir: Option<PathBuf>) -> Result<Self, EngineError> {
        if let Some(path) = &dir {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|source| EngineError::Io { path: path.clone(), source })?;
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

/// Writes an entry whole: readers see all of it or nothing.
fn store(entry: &Path, compiled: &[u8]) -> io::Result<()> {
    for (path, bytes) in [
        (entry.with_extension("blake3"), blake3::hash(compiled).to_hex().as_bytes()),
        (entry.to_owned(), compiled),
    ] {
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(&unfinished, path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(cache: &Cache, engine: &Engine) {
        let bytes = b"(component)";
        cache.compile(engine, bytes, &blake3::hash(bytes)).unwrap();
    }

    #[test]
    fn what_was_compiled_is_kept_privately_and_a_damaged_entry_is_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("compiled");
        let (engine, cache) = (Engine::default(), Cache::open(Some(path.clone())).unwrap());
        let hash = blake3::hash(b"(component)");
        assert!(!cache.holds(&engine, &hash));
        compile(&cache, &engine);
        assert!(cache.holds(&engine, &hash));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);

        let entry = cache.entry(&engine, &hash).unwrap();
        let whole = std::fs::read(&entry).unwrap();
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&entry, damaged).unwrap();
        assert!(load(&engine, &entry).is_none(), "damaged code was trusted");
        compile(&cache, &engine);
        assert!(load(&engine, &entry).is_some());
    }
}
