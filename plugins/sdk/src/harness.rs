//! What the tests of a policy need: facts to begin with, a queue that asks a policy as the host does, and decisions that were
//! recorded, to be made again.

mod facts;
mod recorded;
mod team;

pub use facts::{agent, held, lock, run, task};
pub use recorded::{Answer, Call, Difference, Recorded, admission, again, conflict, ranker, scheduler};
pub use team::{Team, ranked};

use crate::Policy;

/// The policy that this configuration makes.
///
/// # Panics
/// When it is refused.
pub fn policy<P: Policy>(config: &str) -> P {
    read(config).unwrap_or_else(|error| panic!("{config} is refused: {error}"))
}

/// Why this configuration is refused.
///
/// # Panics
/// When it is not.
pub fn refused<P: Policy>(config: &str) -> String {
    match read::<P>(config) {
        Ok(_) => panic!("{config} is accepted"),
        Err(error) => error,
    }
}

fn read<P: Policy>(config: &str) -> Result<P, String> {
    let policy: P = serde_json::from_str(config).map_err(|error| error.to_string())?;
    policy.check().map(|()| policy)
}
