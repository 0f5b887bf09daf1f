//! Random histories against what must hold after each command.

mod agents;
mod model;
mod policies;
mod talk;
