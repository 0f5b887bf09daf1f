//! What must hold of locks, seen from outside.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use longhouse_core::{
    AgentName, Fence, Hold, LockCommand, LockId, LockMode, LockReply, LockRequest, LocksFound, PathPattern,
    Reply, Taken, Timestamp, overlap,
};

use crate::crew::CrewChecks;

/// What the answers so far promise.
#[derive(Default)]
pub struct LockChecks {
    taken: BTreeMap<LockId, Held>,
}

struct Held {
    fence: Fence,
    holder: AgentName,
    request: LockRequest,
    since: Timestamp,
    expires_at: Timestamp,
    over: bool,
    /// Its holder was lost, and came again.
    lost: bool,
}

impl Held {
    /// Whether it is certainly in force. One that belongs to a lease ends with that, and nobody may be told.
    fn is_live(&self, crew: &CrewChecks, now: Timestamp) -> bool {
        let certain = !self.over && !self.lost && self.request.task.is_none() && now < self.expires_at;
        certain && !crew.is_missed(&self.holder, now)
    }
}

impl LockChecks {
    /// An answer is durable: it must agree with all before. The fence of a lock that was granted.
    pub fn committed(
        &mut self,
        agent: &AgentName,
        command: &LockCommand,
        reply: &Reply,
        crew: &CrewChecks,
        at: Timestamp,
    ) -> anyhow::Result<Option<Fence>> {
        match (command, reply) {
            (LockCommand::Take(request), Reply::Lock(LockReply::Taken(taken))) => {
                self.granted(agent, request, taken, crew, at)?;
                return Ok(Some(taken.fence));
            }
            (LockCommand::Renew(id, fence), Reply::Lock(LockReply::Renewed(renewed))) => {
                let held = self.accepted(agent, *id, *fence, at)?;
                ensure!(!held.lost, "{id} was renewed, and {agent} was lost in between");
                held.expires_at = renewed.expires_at;
            }
            (LockCommand::Release(id, fence), Reply::Done) => {
                self.accepted(agent, *id, *fence, at)?.over = true;
            }
            (command, reply) => anyhow::bail!("{command:?} was answered {reply:?}"),
        }
        Ok(None)
    }

    /// A lock of somebody else that keeps `agent` from changing any of these.
    pub fn in_the_way(
        &self,
        agent: &AgentName,
        touches: &[PathPattern],
        crew: &CrewChecks,
        now: Timestamp,
    ) -> Option<LockId> {
        let others = self.taken.iter().filter(|(_, held)| held.holder != *agent && held.is_live(crew, now));
        let mut meeting = others.filter(|(_, held)| overlap(touches, &held.request.patterns).is_some());
        meeting.next().map(|(id, _)| *id)
    }

    /// What was promised before a restart is still there, with its whole time; `leases` are those still in force.
    pub fn restarted(
        &mut self,
        found: &LocksFound,
        leases: &[Hold],
        crew: &CrewChecks,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        for (id, held) in self.taken.iter_mut().filter(|(_, held)| !held.over) {
            let Some(lock) = found.locks.iter().find(|lock| lock.id == *id) else {
                let bound = held.request.task.is_some_and(|hold| !leases.contains(&hold));
                let ended = held.lost || held.expires_at <= now || crew.is_missed(&held.holder, now);
                ensure!(bound || ended, "{id} was granted, and is gone");
                held.over = true;
                continue;
            };
            ensure!(lock.fence == held.fence && lock.terms.holder.agent == held.holder, "{id} is another's");
            let whole = lock.orphaned || lock.expires_at >= now.plus_millis(held.request.ttl_ms);
            ensure!(whole, "{id} has less than its time left");
            held.expires_at = lock.expires_at;
        }
        Ok(())
    }

    /// No lock is an agent's any more that it had got before.
    pub fn gave_all_up(&mut self, agent: &AgentName, then: Timestamp) {
        let theirs = self.taken.values_mut().filter(|held| held.holder == *agent && held.since < then);
        theirs.for_each(|held| held.lost = true);
    }

    fn granted(
        &mut self,
        agent: &AgentName,
        request: &LockRequest,
        taken: &Taken,
        crew: &CrewChecks,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        let last = self.taken.last_key_value();
        ensure!(last.is_none_or(|(last, _)| *last < taken.lock), "{} was given again", taken.lock);
        for (id, held) in
            self.taken.iter().filter(|(_, held)| held.holder != *agent && held.is_live(crew, at))
        {
            let both_shared = (held.request.mode, request.mode) == (LockMode::Shared, LockMode::Shared);
            let apart = overlap(&held.request.patterns, &request.patterns).is_none();
            ensure!(both_shared || apart, "{agent} was granted {request:?} while {} had {id}", held.holder);
        }
        let held = Held {
            fence: taken.fence,
            holder: agent.clone(),
            request: request.clone(),
            since: at,
            expires_at: taken.expires_at,
            over: false,
            lost: false,
        };
        self.taken.insert(taken.lock, held);
        Ok(())
    }

    fn accepted(
        &mut self,
        agent: &AgentName,
        id: LockId,
        fence: Fence,
        at: Timestamp,
    ) -> anyhow::Result<&mut Held> {
        let held = self.taken.get_mut(&id).with_context(|| format!("{id} was never granted"))?;
        ensure!(held.fence == fence && held.holder == *agent, "{id} is not {agent}'s under {fence}");
        ensure!(!held.over && at < held.expires_at, "{id} was accepted at {at:?} after its end");
        Ok(held)
    }
}
