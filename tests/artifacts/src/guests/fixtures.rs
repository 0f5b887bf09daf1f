//! Fixtures: one small crate each, all built by one cargo.

use longhouse_engine::componentize;

use crate::Build;
use crate::cache::{Guest, Key, install};
use crate::compiler::run;
use crate::policies::FIXTURE;
use crate::recipe::Manifest;

const TARGET: &str = "wasm32-wasip1";

pub fn build(build: &Build) -> anyhow::Result<()> {
    let mut key = Key::new(build, "fixtures")?;
    key.add_files(build, &build.sources("fixtures")?)?;
    key.add_files(build, &[build.plugins.join("Cargo.toml"), build.plugins.join("Cargo.lock")])?;
    install(build, key, "fixtures", || make(build))
}

fn make(build: &Build) -> anyhow::Result<Vec<Guest>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(build.plugins.join("fixtures"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with(FIXTURE) {
            names.push(format!("fixture-{name}"));
        }
    }
    let mut cargo = build.compiler.cargo("build", TARGET);
    cargo.args(["--release", "--locked"]).current_dir(&build.plugins);
    for name in &names {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    names.into_iter().map(|name| guest(build, name)).collect()
}

fn guest(build: &Build, name: String) -> anyhow::Result<Guest> {
    let module = std::fs::read(build.compiler.build_dir(TARGET).join(format!("{name}.wasm")))?;
    let manifest = Manifest {
        name: &name,
        version: env!("CARGO_PKG_VERSION"),
        summary: "A guest for tests",
        commands: std::slice::from_ref(&name),
        without_stdin: None,
    };
    let manifest = Some(toml::to_string(&manifest)?);
    Ok(Guest { kind: "fixtures", component: componentize(&module)?, manifest, name })
}
