//! Where built guests are. They are built by this package's binary, `guests`, which `make guests` calls.

use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// The directory of built guests: `LONGHOUSE_PLUGINS_DIR`, or where `make guests` puts them.
pub fn guests_dir() -> PathBuf {
    let named = std::env::var_os("LONGHOUSE_PLUGINS_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| target_dir().join("guests"))
}

/// Where cargo builds to: `CARGO_TARGET_DIR`, or `target` in the workspace.
pub fn target_dir() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| workspace_dir().join("target"))
}

/// The root of this repository.
pub fn workspace_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
