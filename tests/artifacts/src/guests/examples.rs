//! Examples: policies in several languages, each made by the script that whoever follows it would call.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::Build;
use crate::cache::{Guest, Key, install};
use crate::compiler::run;
use crate::policies::{TARGET, ensure_no_wasi};

pub fn build(build: &Build) -> anyhow::Result<()> {
    let examples = build.plugins.join("../examples/policies").canonicalize()?;
    let wit = build.plugins.join("../wit").canonicalize()?;
    for entry in std::fs::read_dir(examples)? {
        let example = entry?.path();
        if !example.is_dir() {
            continue;
        }
        let name = example.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let what = format!("the example in {name}");
        let mut key = key(build, &what, &example)?;
        key.add_files_of(&example, &sources(&example)?)?;
        key.add_files_of(&wit, &crate::files(&wit)?)?;
        install(build, key, &what, || Ok(vec![make(build, &example, name)?]))?;
    }
    Ok(())
}

/// Only what is written in Rust is made of the SDK, by our compiler.
fn key(build: &Build, what: &str, example: &Path) -> anyhow::Result<Key> {
    if !example.join("Cargo.toml").is_file() {
        return Ok(Key::without_compiler(what));
    }
    let mut key = Key::new(build, what)?;
    key.add_files(build, &build.sources("sdk")?)?;
    Ok(key)
}

/// The files of an example, without what its script leaves behind when a person calls it.
fn sources(example: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let target = example.join("target");
    Ok(crate::files(example)?.into_iter().filter(|file| !file.starts_with(&target)).collect())
}

fn make(build: &Build, example: &Path, name: String) -> anyhow::Result<Guest> {
    // Where our compiler builds to, so that what both need is built once.
    let target_dir = build.out.join("build");
    std::fs::create_dir_all(&target_dir)?;
    let cargo = target_dir.join("cargo");
    std::fs::write(&cargo, wrapper(&build.compiler.cargo("build", TARGET))?)?;
    std::fs::set_permissions(&cargo, Permissions::from_mode(0o755))?;

    let made = target_dir.join(format!("example-{name}.wasm"));
    let mut script = Command::new(example.join("build"));
    run(script.arg(&made).env("CARGO", cargo).env("CARGO_TARGET_DIR", target_dir))?;
    let component = std::fs::read(made)?;
    ensure_no_wasi(&name, &component)?;
    Ok(Guest { kind: "example-policies", name, component, manifest: None })
}

/// A script that is `cargo` with the settings of this one, for whatever it is asked to do.
fn wrapper(cargo: &Command) -> anyhow::Result<String> {
    let quoted = |text: &OsStr| -> anyhow::Result<String> {
        let text = text.to_str().context("it is not UTF-8")?;
        Ok(format!("'{}'", text.replace('\'', r"'\''")))
    };
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in cargo.get_envs() {
        let name = name.to_string_lossy();
        script += &match value {
            Some(value) => format!("export {name}={}\n", quoted(value)?),
            None => format!("unset {name}\n"),
        };
    }
    let unstable = cargo.get_args().filter(|argument| argument.as_encoded_bytes().starts_with(b"-Z"));
    script += "exec";
    for word in std::iter::once(cargo.get_program()).chain(unstable) {
        script += &format!(" {}", quoted(word)?);
    }
    Ok(script + " \"$@\"\n")
}
