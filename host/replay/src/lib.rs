//! What another policy would have done: the queue of some days again, by the same rules.
//!
//! [`simulate`] lets the same tasks come at the same times, to the same agents, and has each take as long as it did; who
//! gets which task when is up to the policies. [`Retrace`] follows what happened, and asks at each claim which task a
//! policy would have given instead. Both put their questions to [`longhouse_core::step`], so that nothing about the
//! queue is told twice. Pure: the same trace and the same policies give the same result.

mod measure;
mod plan;
mod retrace;
mod simulate;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use measure::{Fairness, Measures, Ran, Waits, measure};
pub use retrace::{Agreement, Difference, Retrace};
pub use simulate::{Simulated, simulate};
pub use trace::{PastEvent, PastTask, Trace, What};
pub use world::Deciding;
