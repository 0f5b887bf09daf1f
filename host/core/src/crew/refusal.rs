//! Why something about agents at work was not done.

use std::sync::Arc;

use super::Heartbeat;
use crate::{AgentName, EventSeq, ProviderName};

/// Why a [`CrewCommand`](super::CrewCommand) was refused, or what an agent may not do as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrewRefusal {
    /// It would be lost at once, or never.
    #[error("ttl_ms is {0}; it must be from {least} to {most}", least = Heartbeat::TTL_MS.0, most = Heartbeat::TTL_MS.1)]
    Ttl(u64),
    /// A line that is none.
    #[error("status has {0} bytes; at most {most} are kept", most = Heartbeat::MAX_DOING)]
    Doing(usize),
    /// Nobody knows whose model it is.
    #[error("{0} never said whose model it is; name the provider")]
    NoProvider(AgentName),
    /// Only who made others wait may end that.
    #[error("{provider} is to be left alone, as {by} said; only {by} and coordinators may end that")]
    NotYours {
        /// Which provider.
        provider: ProviderName,
        /// Who said so.
        by: AgentName,
    },
    /// So many providers are to be left alone already.
    #[error("{0} providers are to be left alone already; wait for one of them")]
    TooManyProviders(usize),
    /// It left while the request waited.
    #[error("{0} left while this waited; ask again to come back")]
    Left(AgentName),
    /// The agent is to stop.
    #[error(
        "{} wants you to stop{}; acknowledge that with a heartbeat, ack_interrupt: {}",
        by.as_ref().map_or("the operator", AgentName::as_str), because(.reason), seq.0
    )]
    Interrupted {
        /// How it is acknowledged.
        seq: EventSeq,
        /// Whose wish.
        by: Option<AgentName>,
        /// Why.
        reason: Arc<str>,
    },
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
