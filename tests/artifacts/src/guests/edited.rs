//! The sources of a published crate, with places in them changed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::compiler::run;
use crate::files;
use crate::recipe::{Edit, Recipe};

/// What replaces `std::process` in what is edited to use it.
const PROCESS: &str = "longhouse_process";

/// Puts the recipe's crate beneath `dir`, edited, and beside it those of its dependencies that are edited as well. Returns
/// where it lies. Its lock file is the one that it was published with.
pub fn unpack(recipe: &Recipe, version: &str, process: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    if dir.is_dir() {
        std::fs::remove_dir_all(dir)?;
    }
    let name = &recipe.krate.name;
    let main = copy(&published(name, version, dir)?, &dir.join(name))?;
    let mut extra = String::new();
    let others: BTreeSet<_> =
        recipe.edits.iter().map(|edit| &edit.krate).filter(|krate| *krate != name).collect();
    if !others.is_empty() {
        extra.push_str("\n[patch.crates-io]\n");
    }
    for other in others {
        let version = locked(&main, other)?;
        copy(&published(other, &version, dir)?, &dir.join(other))?;
        writeln!(extra, "{other} = {{ path = \"../{other}\" }}")?;
        add(&dir.join(other).join("Cargo.toml"), "\n[workspace]\n")?;
    }
    for edit in &recipe.edits {
        apply(edit, dir)?;
    }
    if recipe.edits.iter().any(|edit| edit.krate == *name && edit.new.contains(PROCESS)) {
        write!(extra, "\n[dependencies.longhouse-process]\npath = {process:?}\n")?;
    }
    add(&main.join("Cargo.toml"), &format!("{extra}\n[workspace]\n"))?;
    Ok(main)
}

fn apply(edit: &Edit, dir: &Path) -> anyhow::Result<()> {
    let Edit { krate, file, old, new } = edit;
    let path = dir.join(krate).join(file);
    let Some(old) = old else { return Ok(std::fs::write(path, new)?) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {krate}/{file}"))?;
    ensure!(text.matches(old.as_str()).count() == 1, "{old:?} does not stand in {krate}/{file} exactly once");
    Ok(std::fs::write(path, text.replace(old.as_str(), new))?)
}

fn add(manifest: &Path, text: &str) -> anyhow::Result<()> {
    let manifest_text = std::fs::read_to_string(manifest)?;
    Ok(std::fs::write(manifest, manifest_text + text)?)
}

/// Where cargo keeps the source of a published crate, which it is made to fetch.
fn published(name: &str, version: &str, dir: &Path) -> anyhow::Result<PathBuf> {
    let asks = dir.join("asks").join(name);
    std::fs::create_dir_all(asks.join("src"))?;
    std::fs::write(asks.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"asks\"\nedition = \"2024\"\n[dependencies.{name}]\nversion = \"={version}\"\n\
         default-features = false\n[workspace]\n"
    );
    std::fs::write(asks.join("Cargo.toml"), manifest)?;
    run(Command::new("cargo").args(["fetch", "--quiet", "--manifest-path"]).arg(asks.join("Cargo.toml")))?;
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("there is no HOME")?).join(".cargo"),
    };
    for registry in std::fs::read_dir(home.join("registry/src"))? {
        let source = registry?.path().join(format!("{name}-{version}"));
        if source.is_dir() {
            return Ok(source);
        }
    }
    bail!("cargo has fetched {name} {version}, and it is not beneath {}", home.display())
}

/// The version of a dependency, by the lock file of the crate in `main`.
fn locked(main: &Path, name: &str) -> anyhow::Result<String> {
    let lock: toml::Value = toml::from_str(&std::fs::read_to_string(main.join("Cargo.lock"))?)?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("a lock file has packages")?;
    let package =
        packages.iter().find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name));
    let version = package.and_then(|package| package.get("version")?.as_str());
    Ok(version.with_context(|| format!("{name} is not in the lock file"))?.to_owned())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        std::fs::create_dir_all(target.parent().unwrap_or(to))?;
        std::fs::copy(&file, target)?;
    }
    Ok(to.to_owned())
}
