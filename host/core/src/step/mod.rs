//! The one function that changes coordination state.

mod agent;
mod authority;
mod run;
#[cfg(test)]
mod tests;

use crate::{
    AgentName, Command, Decide, Envelope, Event, EventKind, EventSeq, Refusal, Reply, Row, RunId, State,
    Waiter,
};

/// What one command led to. Nothing of it has happened yet: the store writes rows and events in one
/// transaction, then sends the replies, publishes the events and hands out the effects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Changes to what is stored.
    pub rows: Vec<Row>,
    /// What happened.
    pub events: Vec<Event>,
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// Whom to tell what.
    pub replies: Vec<(Waiter, Reply)>,
}

/// Something to be done outside once the step is durable. Doing it twice, or never finding its object, is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stop this run; its end comes back as [`Command::EndRun`].
    KillRun {
        /// Which.
        run: RunId,
        /// What its record will say.
        reason: String,
    },
}

/// Applies one command to `state`. Refusals change nothing. The same state, envelope and decisions give the
/// same step.
pub fn step(state: &mut State, envelope: Envelope, decide: &mut dyn Decide) -> Step {
    let Envelope { waiter, caller, now, seed: _, command } = envelope;
    let mut step = Step::default();
    let mut context = Context { state, caller: &caller, now, step: &mut step };
    let reply = match command {
        Command::AddAgent(new) => agent::add(&mut context, new),
        Command::RemoveAgent(name) => agent::remove(&mut context, &name),
        Command::MintToken { agent, hash, expires_at } => {
            agent::mint_token(&mut context, agent, hash, expires_at)
        }
        Command::SetProfiles(profiles) => agent::set_profiles(&mut context, profiles),
        Command::StartRun(request) => run::start(&mut context, &request, decide),
        Command::BecomeJob(id) => run::become_job(&mut context, id),
        Command::EndRun(record) => run::end(&mut context, record),
        Command::KillRun(id) => run::kill(&mut context, id),
        Command::FindRun(id) => run::find(&context, id),
    };
    step.replies.push((waiter, reply.unwrap_or_else(Reply::Refused)));
    step
}

/// What a command's function works on.
struct Context<'a> {
    state: &'a mut State,
    caller: &'a crate::Caller,
    now: crate::Timestamp,
    step: &'a mut Step,
}

type Answer = Result<Reply, Refusal>;

impl Context<'_> {
    fn event(&mut self, agent: Option<AgentName>, kind: EventKind) {
        self.state.last_event = EventSeq(self.state.last_event.0 + 1);
        self.step.events.push(Event { seq: self.state.last_event, at: self.now, agent, kind });
    }
}
