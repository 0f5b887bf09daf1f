//! Who may ask what, judged by the state at this moment.

use super::Context;
use crate::{Agent, AgentName, Caller, Refusal, Role, Task, TaskRefusal};

impl Context<'_> {
    /// The calling agent, if it has at least the role `needs`.
    pub(super) fn agent(&self, needs: Role) -> Result<&Agent, Refusal> {
        let Caller::Agent(name) = self.caller else {
            return Err(Refusal::OperatorOnly);
        };
        self.agent_named(name, needs)
    }

    /// This agent, if it has at least the role `needs`.
    pub(super) fn agent_named(&self, name: &AgentName, needs: Role) -> Result<&Agent, Refusal> {
        let agent = self.state.agents.get(name).ok_or_else(|| Refusal::CallerGone(name.clone()))?;
        if agent.role < needs {
            return Err(Refusal::RoleTooLow { agent: name.clone(), has: agent.role, needs });
        }
        Ok(agent)
    }

    /// Passes the operator and the server, and agents with at least the role `needs`.
    pub(super) fn at_least(&self, needs: Role) -> Result<(), Refusal> {
        match self.caller {
            Caller::Operator | Caller::Server => Ok(()),
            Caller::Agent(_) => self.agent(needs).map(|_| ()),
        }
    }

    /// Passes who may decide about a task: its creator, and coordinators and up.
    pub(super) fn may_steer(&self, task: &Task) -> Result<(), Refusal> {
        let author = self.author();
        if author.is_some() && author == task.creator {
            return self.at_least(Role::Worker);
        }
        self.at_least(Role::Coordinator)
            .map_err(|_| TaskRefusal::NotYours { task: task.id, who: "its creator and coordinators" }.into())
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
