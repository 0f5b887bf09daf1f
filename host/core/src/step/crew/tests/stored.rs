//! What a store keeps of agents at work: the rows, and nothing else.

use std::collections::BTreeMap;

use crate::*;

#[derive(Debug, Clone, Default)]
pub(in super::super::super) struct CrewStore {
    standings: BTreeMap<AgentName, Standing>,
    usage: Usage,
    cooldowns: BTreeMap<ProviderName, Cooldown>,
}

impl CrewStore {
    pub(in super::super::super) fn apply(&mut self, row: CrewRow) {
        match row {
            CrewRow::Put(name, standing) => drop(self.standings.insert(name, *standing)),
            CrewRow::Delete(name) => assert!(self.standings.remove(&name).is_some(), "{name} is not stored"),
            CrewRow::SetUsage(usage) => self.usage = usage,
            CrewRow::PutCooldown(cooldown) => {
                drop(self.cooldowns.insert(cooldown.provider.clone(), *cooldown));
            }
            CrewRow::DeleteCooldown(provider) => assert!(self.cooldowns.remove(&provider).is_some()),
        }
    }

    pub(in super::super::super) fn seed(&self) -> CrewSeed {
        CrewSeed {
            standings: self.standings.clone().into_iter().collect(),
            usage: self.usage,
            completed: Vec::new(),
            cooldowns: self.cooldowns.values().cloned().collect(),
        }
    }
}
