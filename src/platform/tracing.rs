//! The ability to be told of connections and failures as they happen, instead of sampling them.

use crate::model::{Degradation, PortFailure, TracedConnection};

/// What a trace delivered since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// Connections and whose they are, in the order of their records.
    pub connections: Vec<TracedConnection>,
    /// Ports that could not be had, in the order of their records.
    pub failures: Vec<PortFailure>,
    /// How many records the system or porttop had to drop: while it is above 0, sums are too small.
    pub lost: u64,
    /// Why no more records will come: somebody else has stopped the trace.
    pub stopped: Option<Degradation>,
}

/// A running trace. Dropping it stops it and leaves nothing behind in the system.
pub trait Tracing: Send {
    /// Hands over what has arrived; never waits.
    fn drain(&mut self) -> Traced;
}

/// Starts a trace, or says why it can't: it may take more rights than porttop has. A trace costs the
/// system something, so it runs only where its records are looked at.
pub type StartTracing = Box<dyn FnMut() -> Result<Box<dyn Tracing>, Degradation> + Send>;
