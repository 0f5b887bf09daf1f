//! Agents, tokens and runs: random histories against a store that knows only rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::*;

/// What a store keeps, built from the rows of each step and nothing else.
#[derive(Default)]
struct Stored {
    agents: BTreeMap<AgentName, Agent>,
    tokens: BTreeMap<TokenHash, Token>,
    runs: BTreeMap<RunId, RunRecord>,
    last_event: u64,
}

impl Stored {
    fn apply(&mut self, row: Row) {
        match row.clone() {
            Row::PutAgent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
            Row::DeleteAgent(name) => {
                assert!(self.tokens.values().all(|token| token.agent != name), "a token without its agent");
                assert!(self.agents.remove(&name).is_some(), "{name} was not stored");
            }
            Row::PutToken(token) => {
                assert!(self.agents.contains_key(&token.agent), "a token before its agent");
                assert!(self.tokens.insert(token.hash, token).is_none(), "a token put twice");
            }
            Row::DeleteToken(hash) => assert!(self.tokens.remove(&hash).is_some(), "{hash:?} was not stored"),
            Row::PutRun(record) => drop(self.runs.insert(record.id, *record)),
            Row::ForgetAllReplies(_) | Row::Talk(TalkRow::RemoveAgent(_)) => {}
            Row::Task(_)
            | Row::Lock(_)
            | Row::Crew(_)
            | Row::SetDelivered(..)
            | Row::Audit(..)
            | Row::SetQueueRules(_)
            | Row::SetPolicies(_)
            | Row::SetFenceLimit(_)
            | Row::KeepReply(_)
            | Row::ForgetReplies(..)
            | Row::Talk(_)
            | Row::Commit(_) => panic!("no history here has tasks: {row:?}"),
        }
    }

    fn rebuild(&self, like: &State) -> State {
        let running = self.runs.values().filter(|record| record.status == RunStatus::Running);
        State::rebuild(Seed {
            boot: Some(like.boot),
            last_run: like.last_run,
            last_event: self.last_event,
            agents: self.agents.values().cloned().collect(),
            tokens: self.tokens.values().cloned().collect(),
            profiles: like.profiles.clone(),
            runs: running.map(|record| like.runs[&record.id].clone()).collect(),
            ..Seed::default()
        })
    }
}

fn name(n: u8) -> AgentName {
    format!("agent-{n}").parse().unwrap()
}

fn profile(runs: u32, commands: &[&str]) -> Profile {
    Profile {
        commands: CommandRules { allow: commands.iter().map(|&c| c.to_owned()).collect() },
        limits: Limits { runs, ..Limits::default() },
        ..Profile::default()
    }
}

fn profiles() -> Profiles {
    [("full", profile(2, &["*"])), ("small", profile(1, &["ls"]))]
        .map(|(name, profile)| (name.parse().unwrap(), profile))
        .into()
}

fn request(command: &str) -> RunRequest {
    RunRequest {
        argv: vec![command.to_owned()],
        cwd: ProjectPath::root(),
        limits: LimitsRequest { wall: Some(Duration::from_secs(1)), ..LimitsRequest::default() },
        narrow: None,
        under: Under::TheOnlyLease,
    }
}

fn ended(run: RunId, agent: AgentName) -> Box<RunRecord> {
    Box::new(RunRecord {
        id: run,
        agent,
        argv: vec!["ls".to_owned()],
        cwd: ProjectPath::root(),
        started_at: Timestamp::from_millis(0),
        status: RunStatus::Ended {
            outcome: Outcome::Exited(0),
            consumption: Consumption::default(),
            at: Timestamp::from_millis(1),
        },
        output: Output::default(),
        changes: None,
    })
}

fn run_id(number: u32) -> RunId {
    RunId { boot: BootNumber(1), number }
}

fn any_caller() -> impl Strategy<Value = Caller> {
    prop_oneof![(0..4u8).prop_map(|n| Caller::Agent(name(n))), Just(Caller::Operator), Just(Caller::Server)]
}

fn any_command() -> impl Strategy<Value = Command> {
    let hash = (0..12u8).prop_map(|n| TokenHash([n; 32]));
    let role = prop::sample::select(Role::ALL.to_vec());
    let profile = prop::sample::select(vec!["full", "small", "none"]);
    prop_oneof![
        3 => (0..4u8, role, profile, hash.clone()).prop_map(|(n, role, profile, token)| {
            let profile = profile.parse().unwrap();
            Command::AddAgent(NewAgent { name: name(n), role, profile, capabilities: vec!["b".parse().unwrap(), "a".parse().unwrap()], token })
        }),
        1 => (0..4u8).prop_map(|n| Command::RemoveAgent(name(n))),
        1 => (0..4u8, hash, prop::option::of(0..100u64)).prop_map(|(n, hash, at)| {
            Command::MintToken { agent: name(n), hash, expires_at: at.map(Timestamp::from_millis) }
        }),
        4 => prop::sample::select(vec!["ls", "rg"]).prop_map(|command| Command::StartRun(request(command))),
        1 => (1..9u32).prop_map(|n| Command::BecomeJob(run_id(n))),
        2 => (1..9u32, 0..4u8).prop_map(|(n, agent)| Command::EndRun(ended(run_id(n), name(agent)))),
        1 => (1..9u32).prop_map(|n| Command::KillRun(run_id(n))),
        1 => (1..9u32).prop_map(|n| Command::FindRun(run_id(n))),
    ]
}

fn take(state: &mut State, caller: Caller, now: u64, command: Command) -> Step {
    let envelope = Envelope {
        waiter: Waiter(7),
        caller,
        now: Timestamp::from_millis(now),
        seed: 0,
        command,
        keyed: None,
    };
    step(state, envelope, &mut HostOrder)
}

fn reply(step: &Step) -> &Reply {
    let [(Waiter(7), reply)] = step.replies.as_slice() else { panic!("not one reply: {:?}", step.replies) };
    reply
}

fn new_state() -> State {
    State::rebuild(Seed { boot: Some(BootNumber(1)), profiles: profiles(), ..Seed::default() })
}

proptest! {
    #[test]
    fn every_history_keeps_the_invariants(history in prop::collection::vec((any_caller(), any_command()), 0..80)) {
        let mut state = new_state();
        let mut stored = Stored::default();
        let mut run_ids = BTreeSet::new();

        for (now, (caller, command)) in (0..).zip(history) {
            let before = state.clone();
            let may_change_agents = match &caller {
                Caller::Operator | Caller::Server => true,
                Caller::Agent(name) => before.agents.get(name).is_some_and(|agent| agent.role == Role::Admin),
            };
            let by_agent = matches!(caller, Caller::Agent(_));
            let step = take(&mut state, caller, now, command);

            match reply(&step) {
                Reply::Refused(_) => {
                    prop_assert_eq!(&state, &before, "a refusal changed the state");
                    prop_assert!(step.rows.is_empty() && step.events.is_empty() && step.effects.is_empty());
                }
                Reply::RunStarted(run) => {
                    prop_assert!(run_ids.insert(run.id), "{} was given twice", run.id);
                    let profile = &state.profiles[&state.agents[&run.agent].profile];
                    prop_assert!(state.live_runs_of(&run.agent) <= profile.limits.runs);
                    prop_assert!(run.limits.wall <= Duration::from_secs(1));
                }
                Reply::Done
                | Reply::RunIsLive(_)
                | Reply::RunIsNotLive(_)
                | Reply::Task(_)
                | Reply::Queue(_)
                | Reply::Policies(_)
                | Reply::Lock(_)
                | Reply::Crew(_)
                | Reply::Talk(_) => {}
                | Reply::Commit(_) => {}
            }
            if by_agent {
                let records = step.rows.iter().any(|row| matches!(row, Row::PutRun(_)));
                prop_assert!(!records, "an agent wrote the record of a run");
            }
            if state.agents != before.agents || state.tokens != before.tokens {
                prop_assert!(may_change_agents, "somebody without authority changed who is who");
            }
            for event in &step.events {
                stored.last_event += 1;
                prop_assert_eq!(event.seq, EventSeq(stored.last_event), "a gap in the events");
            }
            step.rows.into_iter().for_each(|row| stored.apply(row));

            let durable = State {
                runs: state.runs.iter().filter(|(_, run)| run.job).map(|(id, run)| (*id, run.clone())).collect(),
                // Not stored.
                lately: Default::default(),
                ..state.clone()
            };
            prop_assert_eq!(stored.rebuild(&state), durable, "the rows do not tell the state");
        }
    }
}

fn state_with(role: Role, profile: &str) -> State {
    let mut state = new_state();
    let token = TokenHash([1; 32]);
    let agent =
        NewAgent { name: name(1), role, profile: profile.parse().unwrap(), capabilities: vec![], token };
    assert_eq!(reply(&take(&mut state, Caller::Operator, 0, Command::AddAgent(agent))), &Reply::Done);
    state
}

fn start(state: &mut State, command: &str) -> Result<RunId, Refusal> {
    match reply(&take(state, Caller::Agent(name(1)), 1, Command::StartRun(request(command)))) {
        Reply::RunStarted(run) => Ok(run.id),
        Reply::Refused(refusal) => Err(refusal.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_observer_starts_nothing() {
    let refused = start(&mut state_with(Role::Observer, "full"), "ls");
    assert!(matches!(refused, Err(Refusal::RoleTooLow { needs: Role::Worker, .. })));
}

#[test]
fn a_profile_bounds_commands_and_concurrent_runs() {
    let mut state = state_with(Role::Worker, "small");
    assert!(matches!(start(&mut state, "rg"), Err(Refusal::CommandDenied { .. })));
    let first = start(&mut state, "ls").unwrap();
    assert!(matches!(start(&mut state, "ls"), Err(Refusal::TooManyRuns { live: 1, limit: 1, .. })));
    take(&mut state, Caller::Server, 2, Command::EndRun(ended(first, name(1))));
    start(&mut state, "ls").unwrap();
}

#[test]
fn a_policy_can_narrow_and_deny_but_not_widen() {
    struct Policy(Admit);
    impl Decide for Policy {
        fn review(&mut self, _: Option<&PolicyVersion>, _: &RunRequest, _: &Limits, _: &AgentFacts) -> Admit {
            self.0.clone()
        }
    }
    let run = |admit| {
        let mut state = state_with(Role::Worker, "full");
        let command = Command::StartRun(request("ls"));
        let caller = Caller::Agent(name(1));
        let envelope = Envelope {
            waiter: Waiter(7),
            caller,
            now: Timestamp::from_millis(1),
            seed: 0,
            command,
            keyed: None,
        };
        match reply(&step(&mut state, envelope, &mut Policy(admit))) {
            Reply::RunStarted(run) => Ok(run.limits),
            Reply::Refused(refusal) => Err(refusal.clone()),
            other => panic!("{other:?}"),
        }
    };
    let asking = |memory| {
        Admit::Narrow(LimitsRequest { memory: Some(memory), ..LimitsRequest::default() }, Vec::new())
    };
    assert_eq!(run(asking(1 << 20)).unwrap().memory, 1 << 20);
    assert_eq!(run(asking(u64::MAX)).unwrap().memory, Limits::default().memory);
    assert_eq!(run(Admit::Deny("no".into())), Err(Refusal::NotAdmitted("no".into())));
}

#[test]
fn another_workers_run_cannot_be_found_or_killed() {
    let mut state = state_with(Role::Worker, "full");
    let run = start(&mut state, "ls").unwrap();
    let other = NewAgent {
        name: name(2),
        role: Role::Worker,
        profile: "full".parse().unwrap(),
        capabilities: vec![],
        token: TokenHash([2; 32]),
    };
    take(&mut state, Caller::Operator, 1, Command::AddAgent(other));
    let ask = |state: &mut State, command| reply(&take(state, Caller::Agent(name(2)), 2, command)).clone();
    assert_eq!(ask(&mut state, Command::FindRun(run)), Reply::RunIsNotLive(run));
    assert_eq!(ask(&mut state, Command::KillRun(run)), Reply::Refused(Refusal::NoSuchRun(run)));
}

#[test]
fn removing_an_agent_ends_its_tokens_and_its_runs() {
    let mut state = state_with(Role::Worker, "full");
    let run = start(&mut state, "ls").unwrap();
    let now = Timestamp::from_millis(1);
    assert!(state.directory().identify(&TokenHash([1; 32]), now).is_ok());
    let step = take(&mut state, Caller::Operator, 1, Command::RemoveAgent(name(1)));
    assert!(matches!(step.effects.as_slice(), [Effect::KillRun { run: killed, .. }] if *killed == run));
    assert!(state.directory().identify(&TokenHash([1; 32]), now).is_err());
}

#[test]
fn a_token_is_good_until_its_end_and_not_at_it() {
    let mut state = state_with(Role::Worker, "full");
    let hash = TokenHash([9; 32]);
    let expires_at = Some(Timestamp::from_millis(100));
    take(&mut state, Caller::Operator, 1, Command::MintToken { agent: name(1), hash, expires_at });
    let identify = |ms| state.directory().identify(&hash, Timestamp::from_millis(ms)).err();
    assert_eq!(identify(99), None);
    assert_eq!(identify(100), Some(Unauthenticated::Expired));
}

#[test]
fn a_job_of_an_earlier_boot_is_recorded_as_killed() {
    let mut state = state_with(Role::Worker, "full");
    let run = start(&mut state, "ls").unwrap();
    take(&mut state, Caller::Server, 2, Command::BecomeJob(run));
    let job = state.runs[&run].clone();
    let seed = Seed { boot: Some(BootNumber(2)), profiles: profiles(), runs: vec![job], ..Seed::default() };
    let mut state = State::rebuild(seed);
    let [end] = state.interrupted(Timestamp::from_millis(9)).try_into().unwrap();
    let step = take(&mut state, Caller::Server, 9, end);
    let [Row::PutRun(record)] = step.rows.as_slice() else { panic!("{:?}", step.rows) };
    assert!(matches!(&record.status, RunStatus::Ended { outcome: Outcome::Killed(_), .. }));
    assert!(state.runs.is_empty());
}
