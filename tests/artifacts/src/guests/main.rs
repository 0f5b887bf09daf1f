//! Builds guests: fixtures, policies and examples from their sources, tools from their crates, all to components.
//!
//! What was built is kept under a hash of everything that it was made from, so that nothing is built twice.

mod cache;
mod compiler;
mod edited;
mod examples;
mod fixtures;
mod policies;
mod recipe;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser;

use compiler::Compiler;

/// Builds the guests that the server and its tests run.
#[derive(Parser)]
struct Arguments {
    /// Where they go: a directory of each kind beneath it.
    #[arg(long, default_value_os_t = longhouse_artifacts::target_dir().join("guests"))]
    out: PathBuf,
    /// Build every command of each tool, not only those that tests need.
    #[arg(long)]
    complete: bool,
    /// Build the examples of policies as well, for which npm and Python are needed.
    #[arg(long)]
    examples: bool,
    /// Which compiler: rustup or debian. By default rustup, if it has the targets.
    #[arg(long, env = "LONGHOUSE_GUEST_TOOLCHAIN")]
    toolchain: Option<compiler::Kind>,
}

/// What every step works with.
struct Build {
    plugins: PathBuf,
    out: PathBuf,
    compiler: Compiler,
    complete: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { out, complete, examples, toolchain } = Arguments::parse();
    std::fs::create_dir_all(&out)?;
    let out = out.canonicalize()?;
    let plugins = longhouse_artifacts::workspace_dir().join("plugins").canonicalize()?;
    let compiler = Compiler::find(toolchain, &plugins.join("toolchain"), &out)?;
    let build = Build { plugins, out, compiler, complete };
    fixtures::build(&build).context("failed to build the fixtures")?;
    policies::build(&build).context("failed to build the policies")?;
    if examples {
        examples::build(&build).context("failed to build the examples")?;
    }
    tools::build(&build).context("failed to build the tools")
}

impl Build {
    /// Everything beneath a directory of `plugins`, in order, without what builds leave behind.
    fn sources(&self, beneath: &str) -> anyhow::Result<Vec<PathBuf>> {
        files(&self.plugins.join(beneath))
    }
}

/// Everything beneath a directory, in order.
fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(dir, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("failed to list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
