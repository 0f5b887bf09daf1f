//! Agents, tokens and profiles.

use super::{Answer, Context, Effect, commit, crew, lock, talk, task};
use crate::{
    Agent, AgentName, EventKind, NewAgent, ProfileName, Profiles, Refusal, ReleaseCause, Reply, Role, Row,
    Timestamp, Token, TokenHash,
};

pub(super) fn add(context: &mut Context<'_>, new: NewAgent) -> Answer {
    context.at_least(Role::Admin)?;
    let NewAgent { name, role, profile, mut capabilities, token } = new;
    if context.state.agents.contains_key(&name) {
        return Err(Refusal::AgentExists(name));
    }
    check_profile(context, &profile)?;
    check_new_token(context, &token)?;
    capabilities.sort();
    capabilities.dedup();

    let agent = Agent { name: name.clone(), role, profile: profile.clone(), capabilities };
    context.state.agents.insert(name.clone(), agent.clone());
    context.step.rows.push(Row::PutAgent(agent));
    let author = context.author();
    context.event(author, EventKind::AgentAdded { name: name.clone(), role, profile });
    put_token(context, Token { hash: token, agent: name, expires_at: None });
    Ok(Reply::Done)
}

pub(super) fn remove(context: &mut Context<'_>, name: &AgentName) -> Answer {
    context.at_least(Role::Admin)?;
    if context.state.agents.remove(name).is_none() {
        return Err(Refusal::NoSuchAgent(name.clone()));
    }
    talk::remove_agent(context, name);
    crew::remove(context, name);
    let state = &mut *context.state;
    let tokens = state.tokens.extract_if(.., |_, token| token.agent == *name).map(|(hash, _)| hash);
    context.step.rows.extend(tokens.map(Row::DeleteToken));
    context.step.rows.push(Row::ForgetAllReplies(name.clone()));
    context.step.rows.push(Row::DeleteAgent(name.clone()));
    let runs = state.runs.values().filter(|run| run.agent == *name);
    context.step.effects.extend(
        runs.map(|run| Effect::KillRun { run: run.id, reason: format!("its agent {name} was removed") }),
    );
    context.state.remembered.forget(name);
    context.state.lately.forget(name);
    let author = context.author();
    context.event(author, EventKind::AgentRemoved { name: name.clone() });
    let gone = || Refusal::CallerGone(name.clone());
    task::give_all_back(context, name, &"its holder was removed".into());
    task::refuse_waiting(context, name, &gone());
    lock::release_all(context, name, ReleaseCause::HolderRemoved, &gone());
    commit::author_removed(context, name);
    Ok(Reply::Done)
}

pub(super) fn mint_token(
    context: &mut Context<'_>,
    agent: AgentName,
    hash: TokenHash,
    expires_at: Option<Timestamp>,
) -> Answer {
    context.at_least(Role::Admin)?;
    if !context.state.agents.contains_key(&agent) {
        return Err(Refusal::NoSuchAgent(agent));
    }
    check_new_token(context, &hash)?;
    drop_expired_tokens(context);
    let author = context.author();
    context.event(author, EventKind::TokenMinted { name: agent.clone(), expires_at });
    put_token(context, Token { hash, agent, expires_at });
    Ok(Reply::Done)
}

pub(super) fn set_profiles(context: &mut Context<'_>, profiles: Profiles) -> Answer {
    context.not_an_agent()?;
    context.state.profiles = profiles;
    Ok(Reply::Done)
}

fn check_profile(context: &Context<'_>, profile: &ProfileName) -> Result<(), Refusal> {
    if context.state.profiles.contains_key(profile) {
        return Ok(());
    }
    let defined = context.state.profiles.keys().cloned().collect();
    Err(Refusal::NoSuchProfile { profile: profile.clone(), defined })
}

fn check_new_token(context: &Context<'_>, hash: &TokenHash) -> Result<(), Refusal> {
    if context.state.tokens.contains_key(hash) { Err(Refusal::TokenExists) } else { Ok(()) }
}

fn put_token(context: &mut Context<'_>, token: Token) {
    context.state.tokens.insert(token.hash, token.clone());
    context.step.rows.push(Row::PutToken(token));
}

/// A token past its end can do nothing but take up room; each start of a server may leave one behind.
fn drop_expired_tokens(context: &mut Context<'_>) {
    let now = context.now;
    let expired =
        context.state.tokens.extract_if(.., |_, token| token.expires_at.is_some_and(|at| at <= now));
    context.step.rows.extend(expired.map(|(hash, _)| Row::DeleteToken(hash)));
}
