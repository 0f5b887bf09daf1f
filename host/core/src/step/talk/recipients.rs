//! Whom a message reaches.

use std::collections::BTreeSet;

use super::super::Context;
use crate::talk::Mail;
use crate::{AgentName, Recipient, Refusal, TalkRefusal, TaskId, TaskRefusal};

/// The most recipients that a message names. How many agents these are is bounded by how many there are.
const MAX_NAMED: usize = 100;

/// Whom a message reaches.
#[derive(Default)]
pub(super) struct Reached {
    pub(super) to: BTreeSet<AgentName>,
    /// Members of groups whose inboxes are full.
    pub(super) left_out: BTreeSet<AgentName>,
}

/// Whom `from` reaches by these names; an error if one of them leads to nobody.
pub(super) fn resolve(
    context: &Context<'_>,
    from: &AgentName,
    named: &[Recipient],
) -> Result<Reached, Refusal> {
    if !(1..=MAX_NAMED).contains(&named.len()) {
        return Err(TalkRefusal::Recipients { count: named.len(), most: MAX_NAMED }.into());
    }
    let agents = &context.state.agents;
    let mail = &context.state.talk.mail;
    let others = || agents.values().filter(|agent| agent.name != *from);
    let mut reached = Reached::default();
    for recipient in named {
        let group: Vec<&AgentName> = match recipient {
            Recipient::Agent(name) => {
                if !agents.contains_key(name) {
                    return Err(Refusal::NoSuchAgent(name.clone()));
                }
                reached.one(mail, name)?;
                continue;
            }
            Recipient::Holder(task) => {
                reached.one(mail, holder(context, *task)?)?;
                continue;
            }
            Recipient::Role(role) => {
                others().filter(|agent| agent.role == *role).map(|agent| &agent.name).collect()
            }
            Recipient::Channel(channel) => mail.followers(channel).filter(|name| *name != from).collect(),
            Recipient::Everyone => others().map(|agent| &agent.name).collect(),
        };
        reached.group(mail, recipient, &group)?;
    }
    Ok(reached)
}

fn holder<'a>(context: &'a Context<'_>, task: TaskId) -> Result<&'a AgentName, Refusal> {
    if task > context.state.last_task || task == TaskId(0) {
        return Err(TaskRefusal::NoSuchTask(task).into());
    }
    let lease = context.state.queue.get(task).and_then(|task| task.state.lease.as_ref());
    let holder = lease.map(|lease| &lease.holder).filter(|name| context.state.agents.contains_key(*name));
    holder.ok_or_else(|| TalkRefusal::NotHeld(task).into())
}

impl Reached {
    /// An agent that is named has to get it.
    fn one(&mut self, mail: &Mail, agent: &AgentName) -> Result<(), TalkRefusal> {
        if let Some(unread) = mail.full(agent) {
            return Err(TalkRefusal::InboxFull { agent: agent.clone(), unread });
        }
        self.to.insert(agent.clone());
        Ok(())
    }

    /// Of a group, those get it who have room: whoever never reads must not keep it from the others.
    fn group(&mut self, mail: &Mail, group: &Recipient, members: &[&AgentName]) -> Result<(), TalkRefusal> {
        let mut full = None;
        let mut anybody = false;
        for agent in members.iter().copied() {
            match mail.full(agent) {
                Some(unread) => {
                    self.left_out.insert(agent.clone());
                    full = Some(TalkRefusal::InboxFull { agent: agent.clone(), unread });
                }
                None => {
                    self.to.insert(agent.clone());
                    anybody = true;
                }
            }
        }
        match full {
            Some(refusal) if !anybody => Err(refusal),
            None if !anybody => Err(TalkRefusal::Nobody(group.clone())),
            Some(_) | None => Ok(()),
        }
    }
}
