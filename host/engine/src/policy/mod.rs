//! Policies: components that decide, called on the coordinator's own thread.
//!
//! They run in an engine of their own that counts fuel, so that a policy that dawdles is stopped at the same instruction
//! whenever the decision is made again.

mod apart;
mod bindings;
mod code;
mod decider;
mod engine;
mod error;
mod facts;
mod inspect;
mod instance;
mod tap;
mod trial;
mod warm;

pub use apart::{Apart, ApartError};
pub use bindings::longhouse::policy::types;
pub use code::PolicyCode;
pub use decider::{Ejected, PolicyDecider, PolicyRecord, PolicyRecords, Shelf};
pub use engine::{PolicyConfig, PolicyEngine};
pub use error::{Fault, PolicyError};
pub use inspect::World;
pub use instance::PolicyInstance;
pub use tap::{Decided, Opinion, Taps, opinion};
pub use warm::WarmPolicy;
