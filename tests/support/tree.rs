//! A tree of real source files to search in: those of the crates that this project is built from.

use std::path::{Path, PathBuf};

use crate::native;

/// Files above this size are left out: they are generated tables.
const MAX_BYTES: u64 = 1_000_000;

/// Writes `count` source files of our dependencies below `dir`, the same ones on every machine, and returns
/// how many lines of them contain `word`.
///
/// # Panics
/// When the crates that cargo downloaded do not hold so many.
pub fn write_tree(dir: &Path, count: usize, word: &str) -> usize {
    let mut hits = 0;
    let mut written = 0;
    for (krate, root) in crate_sources() {
        for file in rust_files(&root.join("src")) {
            if written == count {
                return hits;
            }
            let content = std::fs::read(&file).expect("a source file");
            hits +=
                content.split(|&byte| byte == b'\n').filter(|line| contains(line, word.as_bytes())).count();
            let to = dir.join(&krate).join(file.strip_prefix(&root).expect("beneath the root"));
            std::fs::create_dir_all(to.parent().expect("a file has a directory")).expect("directories");
            std::fs::write(to, content).expect("a file");
            written += 1;
        }
    }
    panic!("only {written} source files were found");
}

/// Name and directory of each crate that wasmtime is made of: many files, fixed by our lock file.
fn crate_sources() -> Vec<(String, PathBuf)> {
    let cargo = PathBuf::from(std::env::var_os("CARGO").expect("cargo runs the tests"));
    let mut command = native(&cargo);
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // Crates for other platforms were never downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = command
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--manifest-path", manifest])
        .args(["--filter-platform", &platform])
        .output()
        .expect("cargo metadata starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let mut sources: Vec<_> = packages
        .iter()
        .map(|package| {
            (package["name"].as_str().expect("a name"), package["manifest_path"].as_str().expect("a path"))
        })
        .filter(|(name, _)| {
            ["wasmtime", "cranelift", "tokio", "regex"].iter().any(|family| name.starts_with(family))
        })
        .map(|(name, manifest)| {
            (name.to_owned(), Path::new(manifest).parent().expect("a directory").to_owned())
        })
        .collect();
    sources.sort();
    sources
}

/// The Rust files beneath `dir`, in order of their paths.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_BYTES)
        {
            files.push(path);
        }
    }
    files
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}
