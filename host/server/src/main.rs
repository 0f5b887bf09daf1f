//! The `longhouse` program.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    longhouse::cli::Cli::parse().run().await
}
