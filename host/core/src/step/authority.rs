//! Who may ask what, judged by the state at this moment.

use super::Context;
use crate::{Agent, AgentName, Caller, Refusal, Role};

impl Context<'_> {
    /// The calling agent, if it has at least the role `needs`.
    pub(super) fn agent(&self, needs: Role) -> Result<&Agent, Refusal> {
        let Caller::Agent(name) = self.caller else {
            return Err(Refusal::OperatorOnly);
        };
        let agent = self.state.agents.get(name).ok_or_else(|| Refusal::CallerGone(name.clone()))?;
        if agent.role < needs {
            return Err(Refusal::RoleTooLow { agent: name.clone(), has: agent.role, needs });
        }
        Ok(agent)
    }

    /// Passes the operator and the server, and agents with the role of an admin.
    pub(super) fn admin(&self) -> Result<(), Refusal> {
        match self.caller {
            Caller::Operator | Caller::Server => Ok(()),
            Caller::Agent(_) => self.agent(Role::Admin).map(|_| ()),
        }
    }

    /// Passes the operator and the server.
    pub(super) const fn not_an_agent(&self) -> Result<(), Refusal> {
        match self.caller {
            Caller::Operator | Caller::Server => Ok(()),
            Caller::Agent(_) => Err(Refusal::OperatorOnly),
        }
    }

    /// Whether the caller may see and stop what `owner` runs.
    pub(super) fn may_see_runs_of(&self, owner: &AgentName) -> Result<bool, Refusal> {
        match self.caller {
            Caller::Operator | Caller::Server => Ok(true),
            Caller::Agent(_) => Ok(self.agent(Role::Observer)?.may_see_runs_of(owner)),
        }
    }

    /// The calling agent's name, for events.
    pub(super) fn author(&self) -> Option<AgentName> {
        match self.caller {
            Caller::Agent(name) => Some(name.clone()),
            Caller::Operator | Caller::Server => None,
        }
    }
}
