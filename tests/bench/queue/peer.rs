//! What is measured: a queue that keeps its jobs, and a connection to it.

use super::measure::What;

/// A running queue, ended with the value.
pub trait Peer {
    /// What to call it.
    fn name(&self) -> &str;

    /// A new connection. Neither this nor any call on the connection waits for ever.
    fn connect(&self) -> anyhow::Result<Box<dyn Client + Send>>;

    /// Whether it is what the others are compared with.
    fn is_longhouse(&self) -> bool {
        false
    }

    /// Whether this is worth measuring, because no other peer is the same queue doing the same.
    fn differs_in(&self, _: What) -> bool {
        true
    }

    /// The processes whose CPU time is the queue's. Their descendants are found by themselves.
    fn pids(&self) -> Vec<u32>;

    /// Does at once what the queue would do in quieter times, so that a cell does not pay for those before it. Called
    /// when the queue is filled, before it is measured.
    fn tidy(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A connection, used by one thread.
pub trait Client {
    /// Adds a job, a text of digits. It is durable on return.
    fn create(&mut self, payload: &str) -> anyhow::Result<()>;

    /// Takes the job that waited longest and finishes it for good. Both are as durable as the queue makes them on
    /// return. False if no job waits.
    fn claim_and_complete(&mut self) -> anyhow::Result<bool>;

    /// Adds jobs outside of what is measured, in as few requests as the queue allows.
    fn create_all(&mut self, payloads: &[String]) -> anyhow::Result<()> {
        payloads.iter().try_for_each(|payload| self.create(payload))
    }
}
