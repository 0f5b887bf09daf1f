//! Tools: binaries of published crates, built with the lock file that they were published with, and our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use longhouse_engine::componentize;

use crate::cache::{Guest, Key, install};
use crate::compiler::run;
use crate::recipe::{Manifest, Recipe};
use crate::{Build, edited};

const TARGET: &str = "wasm32-wasip1";

pub fn build(build: &Build) -> anyhow::Result<()> {
    for file in build.sources("tools")?.iter().filter(|file| file.ends_with("tool.toml")) {
        let text = std::fs::read_to_string(file)?;
        let mut recipe: Recipe =
            toml::from_str(&text).with_context(|| format!("failed to read {}", file.display()))?;
        if recipe.complete_only && !build.complete {
            continue;
        }
        if let Some(reduced) = recipe.reduced.take_if(|_| !build.complete) {
            recipe.commands = reduced.commands;
            recipe.krate.features = reduced.features;
        }
        let beside = file.parent().context("a recipe lies in a directory")?;
        let mut key = Key::new(build, &recipe.name)?;
        key.add(text.as_bytes());
        key.add(recipe.krate.features.join(",").as_bytes());
        key.add_files(build, &crate::files(beside)?)?;
        if !recipe.edits.is_empty() {
            key.add_files(build, &build.sources("process")?)?;
        }
        install(build, key, &recipe.name, || make(build, &recipe, beside))?;
    }
    Ok(())
}

fn make(build: &Build, recipe: &Recipe, beside: &Path) -> anyhow::Result<Vec<Guest>> {
    let Recipe { name, summary, commands, krate, edits, without_stdin, reduced: _, complete_only: _ } =
        recipe;
    let (version, module) = match &krate.version {
        None => (version_of(beside)?, compile(build, recipe, beside, &["--locked"])?),
        Some(version) if edits.is_empty() => (version.clone(), install_published(build, recipe, version)?),
        Some(version) => {
            let dir = build.out.join("build/edited").join(name);
            let process = build.plugins.join("process");
            let source = edited::unpack(recipe, version, &process, &dir)?;
            forget(build, recipe, &source)?;
            // Not `--locked`: what replaces `std::process` is not in the lock file.
            (version.clone(), compile(build, recipe, &source, &[])?)
        }
    };
    let module = std::fs::read(&module).with_context(|| format!("failed to read {}", module.display()))?;
    let component = componentize(&module)?;
    let without_stdin = without_stdin.as_deref();
    let manifest = Manifest { name, version: &version, summary, commands, without_stdin };
    let manifest = toml::to_string(&manifest)?;
    Ok(vec![Guest { kind: "tools", name: name.clone(), component, manifest: Some(manifest) }])
}

/// A published crate as it is.
fn install_published(build: &Build, recipe: &Recipe, version: &str) -> anyhow::Result<PathBuf> {
    let krate = &recipe.krate;
    let root = build.out.join("build/install").join(&recipe.name);
    let mut cargo = cargo(build, recipe, "install");
    cargo.args(["--locked", "--force", "--no-track", &krate.name, "--version", version]);
    run(cargo.arg("--root").arg(&root))?;
    Ok(root.join("bin").join(format!("{}.wasm", krate.binary)))
}

/// The crate whose sources lie in `dir`.
fn compile(build: &Build, recipe: &Recipe, dir: &Path, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let mut cargo = cargo(build, recipe, "build");
    cargo.args(["--release", "--quiet"]).args(arguments);
    run(cargo.arg("--manifest-path").arg(dir.join("Cargo.toml")))?;
    Ok(build.compiler.build_dir(TARGET).join(format!("{}.wasm", recipe.krate.binary)))
}

/// Has the crate in `dir` built anew. Cargo cannot tell it from the same crate with other edits: both are roots of their own
/// workspaces.
fn forget(build: &Build, recipe: &Recipe, dir: &Path) -> anyhow::Result<()> {
    let mut cargo = build.compiler.cargo("clean", TARGET);
    cargo.args(["--release", "--quiet", "--package", &recipe.krate.name]);
    run(cargo.arg("--manifest-path").arg(dir.join("Cargo.toml")))
}

fn cargo(build: &Build, recipe: &Recipe, subcommand: &str) -> Command {
    let krate = &recipe.krate;
    let mut cargo = build.compiler.cargo(subcommand, TARGET);
    cargo.args(["--no-default-features", "--features", &krate.features.join(","), "--bin", &krate.binary]);
    if krate.optimise {
        for (key, value) in [("OPT_LEVEL", "3"), ("LTO", "fat"), ("CODEGEN_UNITS", "1")] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
    }
    cargo
}

fn version_of(dir: &Path) -> anyhow::Result<String> {
    let manifest: toml::Value = toml::from_str(&std::fs::read_to_string(dir.join("Cargo.toml"))?)?;
    let version = manifest.get("package").and_then(|package| package.get("version")?.as_str());
    ensure!(version.is_some(), "{} says no version", dir.display());
    Ok(version.unwrap_or_default().to_owned())
}
