//! Providers that are to be left alone for a while.

use std::sync::Arc;

use super::super::{Answer, Context};
use crate::{
    AgentName, Cooldown, CrewEvent, CrewRefusal, CrewReply, CrewRow, ProviderName, Refusal, Reply, Role,
    Timestamp,
};

/// The longest that a provider is left alone, in milliseconds: a day.
const MOST_MS: u64 = 24 * 3_600 * 1_000;
/// The most providers left alone at once.
const MOST_PROVIDERS: usize = 100;

/// Keeps tasks from all agents of a provider until then, or lets them go on if that is over.
pub(super) fn cool(
    context: &mut Context<'_>,
    provider: Option<ProviderName>,
    until: Timestamp,
    reason: Arc<str>,
) -> Answer {
    let (name, role) = {
        let agent = context.agent(Role::Worker)?;
        (agent.name.clone(), agent.role)
    };
    let own = context.state.crew.get(&name).and_then(|member| member.standing.provider.clone());
    let Some(provider) = provider.clone().or_else(|| own.clone()) else {
        return Err(CrewRefusal::NoProvider(name).into());
    };
    if until <= context.now {
        end(context, &name, role, provider)
    } else {
        begin(context, &name, own, Cooldown { provider, until_ms: until, by: name.clone(), reason })
    }
}

/// What several agents were told holds for the longest of it.
fn begin(
    context: &mut Context<'_>,
    name: &AgentName,
    own: Option<ProviderName>,
    mut cooldown: Cooldown,
) -> Answer {
    let crew = &context.state.crew;
    let before = crew.cooldown(&cooldown.provider);
    if before.is_none() && crew.cooldowns() >= MOST_PROVIDERS {
        return Err(CrewRefusal::TooManyProviders(MOST_PROVIDERS).into());
    }
    cooldown.until_ms = cooldown.until_ms.min(context.now.plus_millis(MOST_MS));
    if let Some(longer) = before.filter(|before| before.until_ms >= cooldown.until_ms) {
        cooldown = longer.clone();
    } else {
        context.crew_row(CrewRow::PutCooldown(Box::new(cooldown.clone())));
        context.state.crew.cool(cooldown.clone());
        tell(context, name, &cooldown);
    }
    if own.is_none() {
        let mut member = context.state.crew.member(name, context.now);
        member.standing.provider = Some(cooldown.provider.clone());
        context.put_member(name, member);
    }
    Ok(Reply::Crew(CrewReply::Cools(Some(cooldown))))
}

/// Whoever made others wait may end that, and so may coordinators.
fn end(context: &mut Context<'_>, name: &AgentName, role: Role, provider: ProviderName) -> Answer {
    if let Some(cooldown) = context.state.crew.cooldown(&provider).cloned() {
        if role < Role::Coordinator && cooldown.by != *name {
            return Err(Refusal::from(CrewRefusal::NotYours { provider, by: cooldown.by }));
        }
        forget(context, &provider);
        tell(context, name, &Cooldown { until_ms: context.now, reason: Arc::default(), ..cooldown });
    }
    Ok(Reply::Crew(CrewReply::Cools(None)))
}

fn tell(context: &mut Context<'_>, name: &AgentName, cooldown: &Cooldown) {
    let Cooldown { provider, until_ms, by: _, reason } = cooldown.clone();
    context.crew_event(Some(name.clone()), name, CrewEvent::Cooled { provider, until_ms, reason });
}

fn forget(context: &mut Context<'_>, provider: &ProviderName) {
    context.state.crew.warm(provider);
    context.crew_row(CrewRow::DeleteCooldown(provider.clone()));
    context.state.queue.stirred = true;
}

/// Lets the agents of providers go on that may be asked again.
pub(in super::super) fn warm(context: &mut Context<'_>) {
    while let Some((at, provider)) = context.state.crew.first_warm()
        && at <= context.now
    {
        let provider = provider.clone();
        forget(context, &provider);
    }
}
