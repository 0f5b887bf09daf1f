//! The server as it is, and as it must not be: variants that the checks have to catch.

/// What is wrong with the simulated server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Variant {
    /// Nothing.
    Sound,
    /// Whoever names a task counts as its holder.
    NoFenceCheck,
    /// Replies are sent before their batch is durable.
    ReplyBeforeCommit,
    /// A lease that ended can be renewed.
    ExtendAfterExpiry,
}
