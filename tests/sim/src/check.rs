//! What must hold, seen from outside: from requests, their answers and nothing else.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use longhouse_core::{
    AgentName, Caller, Command, CommitCommand, CrewCommand, Fence, Grant, Hold, Key, LockCommand, LockReply,
    PathPattern, Reply, Stands, TaskCommand, TaskId, TaskReply, TaskStatus, Timestamp, Why,
};

use crate::crew::CrewChecks;
use crate::files::FileChecks;
use crate::locks::LockChecks;
use crate::server::{Answered, Server, hold_of};
use crate::talk::TalkChecks;

/// What the answers so far promise.
#[derive(Default)]
pub struct Checks {
    /// The last grant of each task.
    grants: BTreeMap<TaskId, Lease>,
    highest: Option<Fence>,
    /// What was answered under each key.
    answers: BTreeMap<(String, Key), Reply>,
    /// Tasks whose making was acknowledged, and how they ended if that was.
    promised: BTreeMap<TaskId, Option<TaskStatus>>,
    touches: BTreeMap<TaskId, Vec<PathPattern>>,
    locks: LockChecks,
    pub talk: TalkChecks,
    pub crew: CrewChecks,
    pub files: FileChecks,
}

struct Lease {
    hold: Hold,
    holder: Caller,
    since: Timestamp,
    ttl_ms: u64,
    expires_at: Timestamp,
    /// Its holder was told that it is over.
    over: bool,
    /// Its task had ended when the server started again: whoever ended it may not have been told yet.
    task_ended: bool,
}

impl Checks {
    /// An answer is durable: it must agree with all before.
    pub fn committed(&mut self, answered: &Answered) -> anyhow::Result<()> {
        let Answered { request, reply, at } = answered;
        if let (Command::Commit(command), false) = (&request.command, matches!(reply, Reply::Refused(_))) {
            return self.changed_files(command, reply, *at);
        }
        let Caller::Agent(agent) = &request.caller else { return Ok(()) };
        if let Reply::Refused(_) = reply {
            return Ok(());
        }
        if let Command::Crew(command @ CrewCommand::Heartbeat(_)) = &request.command {
            if let Some(since) = CrewChecks::came(reply) {
                self.gave_all_up(agent, since);
            }
            return self.crew.committed(agent, command, reply, *at);
        }
        let Some(keyed) = &request.keyed else { return Ok(()) };
        if let Some(before) = self.answers.get(&(agent.to_string(), keyed.key.clone())) {
            ensure!(before == reply, "one key, two answers: {before:?}, then {reply:?}");
            return Ok(());
        }
        self.answers.insert((agent.to_string(), keyed.key.clone()), reply.clone());
        if let Command::Lock(command) = &request.command {
            let fence = self.locks.committed(agent, command, reply, &self.crew, *at)?;
            return fence.map_or(Ok(()), |fence| self.rises(fence));
        }
        if let Command::Talk(command) = &request.command {
            return self.talk.committed(agent, command, reply);
        }
        if let Command::Crew(command) = &request.command {
            if let CrewCommand::Leave(_) = command {
                self.gave_all_up(agent, at.plus_millis(1));
            }
            return self.crew.committed(agent, command, reply, *at);
        }
        let Command::Task(mut command) = request.command.clone() else { return Ok(()) };
        let hold = hold_of(&mut command).copied();
        if let Some(hold) = hold {
            // A claim that waited was accepted earlier than it is answered.
            let waited = matches!(reply, Reply::Task(TaskReply::Claimed(_)));
            self.accepted(hold, &request.caller, (!waited).then_some(*at))
                .with_context(|| format!("{command:?}"))?;
        }
        if let (TaskCommand::Create(new), Reply::Task(TaskReply::Created(created))) = (&command, reply) {
            let touches = created.iter().zip(new).map(|(task, new)| (task.id, new.spec.touches.clone()));
            self.touches.extend(touches);
        }
        match reply {
            Reply::Task(TaskReply::Held(held)) => {
                if let Some(lease) = self.grants.get_mut(&held.hold.task) {
                    lease.expires_at = held.expires_at;
                }
            }
            Reply::Task(TaskReply::Stands(_)) => self.gave_up(hold),
            Reply::Task(TaskReply::Claimed(claimed)) => {
                self.gave_up(hold);
                for grant in &claimed.grants {
                    self.granted(grant, &command, &request.caller, *at)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An answer reached whoever asked: what it says is there from now on.
    pub fn acknowledged(&mut self, reply: &Reply) -> anyhow::Result<()> {
        let ended = match reply {
            Reply::Task(TaskReply::Created(created)) => {
                for created in created {
                    self.promised.entry(created.id).or_default();
                }
                None
            }
            Reply::Task(TaskReply::Stands(stands)) => Some(*stands),
            Reply::Task(TaskReply::Claimed(claimed)) => claimed.ended,
            _ => None,
        };
        if let Some(Stands { id, status }) = ended.filter(|stands| stands.status.is_terminal()) {
            let before = self.promised.insert(id, Some(status)).flatten();
            ensure!(before.is_none_or(|before| before == status), "{id} was {before:?}, then {status}");
        }
        Ok(())
    }

    /// Nobody could renew while the server was away: each lease that it still knows has its whole time again.
    pub fn restarted(&mut self, server: &mut Server, now: Timestamp) -> anyhow::Result<()> {
        let ids = self.grants.keys().copied().collect();
        let Reply::Task(TaskReply::Live(live)) = server.tell(TaskCommand::Find(ids), now)? else {
            bail!("no list")
        };
        for (id, lease) in &mut self.grants {
            let task = live.iter().find(|task| task.id == *id);
            let known = task
                .and_then(|task| task.state.lease.as_ref())
                .filter(|known| known.fence == lease.hold.fence);
            match known {
                Some(known) => {
                    ensure!(
                        known.expires_at >= now.plus_millis(lease.ttl_ms),
                        "{id} has less than its time left"
                    );
                    lease.expires_at = known.expires_at;
                }
                None if task.is_some() => lease.over = true,
                None => lease.task_ended = true,
            }
        }
        let leases = self.grants.values().filter(|lease| !lease.over && !lease.task_ended);
        let leases: Vec<Hold> = leases.map(|lease| lease.hold).collect();
        let Reply::Lock(LockReply::Found(found)) = server.ask(Command::Lock(LockCommand::Find), now)? else {
            bail!("no locks")
        };
        self.locks.restarted(&found, &leases, &self.crew, now)
    }

    /// What was acknowledged is still there.
    pub fn durable(&self, server: &mut Server, now: Timestamp) -> anyhow::Result<()> {
        for (id, ended) in &self.promised {
            let status = status(server, *id, now)?;
            let status = status.with_context(|| format!("{id} was acknowledged, and is gone"))?;
            if let Some(ended) = ended {
                ensure!(status == *ended, "{id} was {ended}, and is {status}");
            }
        }
        Ok(())
    }

    /// As [`Checks::committed`], for what the server itself asked about changes to files.
    fn changed_files(&mut self, command: &CommitCommand, reply: &Reply, at: Timestamp) -> anyhow::Result<()> {
        let Some((stands_on, paths)) = self.files.committed(command, reply)? else { return Ok(()) };
        let agent = &stands_on.agent;
        if let Some(hold) = stands_on.task {
            self.accepted(hold, &Caller::Agent(agent.clone()), Some(at)).context("a change")?;
        }
        let lock = self.locks.in_the_way(agent, &paths, &self.crew, at);
        ensure!(lock.is_none(), "{agent} changed {paths:?} in spite of {lock:?}");
        Ok(())
    }

    /// Every task that was promised.
    pub fn tasks(&self) -> Vec<TaskId> {
        self.promised.keys().copied().collect()
    }

    /// A call that showed a fence was accepted.
    fn accepted(&self, hold: Hold, caller: &Caller, at: Option<Timestamp>) -> anyhow::Result<()> {
        let lease = self
            .grants
            .get(&hold.task)
            .with_context(|| format!("{hold:?} was accepted and never granted"))?;
        ensure!(lease.hold == hold, "{hold:?} was accepted, and {:?} granted since", lease.hold);
        ensure!(
            lease.holder == *caller,
            "{hold:?} was accepted from {caller:?}, and granted to {:?}",
            lease.holder
        );
        ensure!(!lease.over, "{hold:?} was accepted after it was given up");
        ensure!(!lease.task_ended || at.is_none(), "{hold:?} was accepted after its task had ended");
        let in_time = at.is_none_or(|at| at < lease.expires_at);
        ensure!(in_time, "{hold:?} was accepted at {at:?}, and ended at {:?}", lease.expires_at);
        Ok(())
    }

    fn granted(
        &mut self,
        grant: &Grant,
        command: &TaskCommand,
        caller: &Caller,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let hold = grant.hold();
        self.rises(hold.fence)?;
        if let Caller::Agent(agent) = caller {
            self.crew.granted(agent, now)?;
            let touches = self.touches.get(&hold.task).map_or(&[][..], |touches| touches);
            let lock = self.locks.in_the_way(agent, touches, &self.crew, now);
            ensure!(lock.is_none(), "{hold:?} was granted to {agent} in spite of {lock:?}");
        }
        if let Some(before) = self.grants.get(&hold.task) {
            let missed = matches!(&before.holder, Caller::Agent(agent) if self.crew.is_missed(agent, now));
            let live = !before.over && !before.task_ended && now < before.expires_at && !missed;
            ensure!(!live, "{hold:?} was granted while {:?} had {:?}", before.holder, before.hold);
        }
        let ttl_ms = match command {
            TaskCommand::Claim(claim) => claim.ttl_ms,
            TaskCommand::Complete(completion) => completion.next.as_ref().map_or(0, |claim| claim.ttl_ms),
            other => bail!("{other:?} was answered with a grant"),
        };
        let lease = Lease {
            hold,
            holder: caller.clone(),
            since: now,
            ttl_ms,
            expires_at: grant.expires_at,
            over: false,
            task_ended: false,
        };
        self.grants.insert(hold.task, lease);
        Ok(())
    }

    /// No fence is given twice, to a lease or to a lock.
    fn rises(&mut self, fence: Fence) -> anyhow::Result<()> {
        ensure!(self.highest < Some(fence), "{fence} was given after {:?}", self.highest);
        self.highest = Some(fence);
        Ok(())
    }

    /// Nothing is an agent's any more that it had got before: it left, or it was lost and came again.
    fn gave_all_up(&mut self, agent: &AgentName, then: Timestamp) {
        let caller = Caller::Agent(agent.clone());
        let theirs = self.grants.values_mut().filter(|lease| lease.holder == caller && lease.since < then);
        theirs.for_each(|lease| lease.over = true);
        self.locks.gave_all_up(agent, then);
    }

    fn gave_up(&mut self, hold: Option<Hold>) {
        if let Some(lease) = hold.and_then(|hold| self.grants.get_mut(&hold.task)) {
            lease.over = true;
        }
    }
}

/// Where a task stands, if there is one.
pub fn status(server: &mut Server, id: TaskId, now: Timestamp) -> anyhow::Result<Option<TaskStatus>> {
    match server.tell(TaskCommand::Why(id), now)? {
        Reply::Task(TaskReply::Why(why)) => match why.first() {
            Some(Why::Stands(status)) => Ok(Some(*status)),
            other => bail!("{other:?}"),
        },
        Reply::Refused(_) => Ok(None),
        other => bail!("{other:?}"),
    }
}
