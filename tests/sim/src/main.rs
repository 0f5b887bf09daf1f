//! `sim`: many seeds, or one of them again.

use clap::Parser;
use longhouse_sim::{Counts, Variant, run};

#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many, from the first on.
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// What is wrong with the server.
    #[arg(long, value_enum, default_value_t = Variant::Sound)]
    variant: Variant,
}

fn main() -> anyhow::Result<()> {
    let Arguments { seed, count, variant } = Arguments::parse();
    let mut counts = Counts::default();
    for seed in seed..seed.saturating_add(count) {
        let trace = run(seed, variant, &mut counts)?;
        if count == 1 {
            println!("seed {seed}: trace {trace:016x}");
        }
    }
    print!("{counts}");
    Ok(())
}
