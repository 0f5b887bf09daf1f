//! Agents at work over a real database file.

use super::*;

fn crew(project: &Project, name: &str, command: CrewCommand) -> CrewReply {
    match project.ask(agent(name), Command::Crew(command)) {
        Ok(Reply::Crew(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn facts(project: &Project, name: &str) -> MemberFacts {
    let find = CrewCommand::Find(Some(name.parse().unwrap()));
    let CrewReply::Found(found) = crew(project, name, find) else { panic!("{name} is not found") };
    found.into_iter().next().unwrap()
}

fn in_a_minute() -> Timestamp {
    crate::Clock::now(&SystemClock::default()).plus_millis(60_000)
}

#[test]
fn what_is_known_of_an_agent_outlives_the_process() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let provider: ProviderName = "north".parse().unwrap();
    let beat = Heartbeat { ttl_ms: Some(60_000), provider: Some(provider.clone()), ..Heartbeat::default() };
    crew(&project, "a", CrewCommand::Heartbeat(Box::new(beat)));
    let until = in_a_minute();
    crew(&project, "a", CrewCommand::Cool { provider: None, until, reason: "429".into() });
    let usage = Usage { input_tokens: 7, cost_usd: Cost::from_millionths(1_234_567), ..Usage::default() };
    crew(&project, "a", CrewCommand::Spend(usage, Under::NoLease));
    let interrupt = CrewCommand::Interrupt("a".parse().unwrap(), "stop".into());
    assert_eq!(project.ask(Caller::Operator, Command::Crew(interrupt)), Ok(Reply::Done));
    let before = facts(&project, "a");

    let project = project.reopen();
    let after = facts(&project, "a");
    assert_eq!((&after.standing, after.status), (&before.standing, AgentStatus::Idle));
    let standing = after.standing.unwrap();
    assert_eq!((standing.usage, standing.ttl_ms, standing.provider), (usage, Some(60_000), Some(provider)));
    assert!(standing.interrupt.is_some());
    assert_eq!(after.cooldown.map(|cooldown| cooldown.until_ms), Some(until));
    let CrewReply::Counted(counted) = crew(&project, "a", CrewCommand::Spend(usage, Under::NoLease)) else {
        panic!("it was not counted")
    };
    assert_eq!(counted.project, usage.plus(&usage), "the project's goes on, too");
}

#[test]
fn an_agent_that_was_here_can_be_removed() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    crew(&project, "a", CrewCommand::Heartbeat(Box::default()));
    let name: AgentName = "a".parse().unwrap();
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent(name)), Ok(Reply::Done));
    let project = project.reopen();
    project.add_agent("a").unwrap();
    assert_eq!(facts(&project, "a").standing, None, "another of its name is somebody else");
}

#[test]
fn the_last_task_that_an_agent_completed_is_known_and_after_a_restart_too() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let mut expected = None;
    for _ in 0..2 {
        project.create(vec![tasks::task("t")]);
        let hold = project.claim().unwrap();
        project.complete(hold).unwrap();
        expected = Some(hold.task);
    }
    assert_eq!(facts(&project, "a").last_completed, expected);
    let project = project.reopen();
    assert_eq!(facts(&project, "a").last_completed, expected);
}
