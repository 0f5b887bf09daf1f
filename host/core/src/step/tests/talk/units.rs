//! What histories are too short for.

use crate::*;

fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn state(names: &[&str]) -> State {
    let agent = |text: &&str| Agent {
        name: name(text),
        role: Role::Worker,
        profile: "full".parse().unwrap(),
        capabilities: Vec::new(),
    };
    State::rebuild(Seed { agents: names.iter().map(agent).collect(), ..Seed::default() })
}

fn ask(state: &mut State, caller: &str, command: TalkCommand) -> Step {
    let (waiter, now) = (Waiter(1), Timestamp::from_millis(1));
    let (caller, command) = (Caller::Agent(name(caller)), Command::Talk(command));
    step(state, Envelope { waiter, caller, now, seed: 0, command, keyed: None }, &mut HostOrder)
}

fn message(to: Recipient) -> NewMessage {
    let body = MessageBody::new("hello", None).unwrap();
    NewMessage { to: vec![to], thread: None, importance: Importance::Normal, ack: false, body }
}

#[test]
fn an_agent_follows_so_many_channels() {
    let mut state = state(&["a"]);
    let follow = |n: usize| TalkCommand::Follow(format!("c{n}").parse().unwrap());
    for n in 0..100 {
        assert_eq!(ask(&mut state, "a", follow(n)).replies, [(Waiter(1), Reply::Done)]);
    }
    let refused = Reply::Refused(TalkRefusal::TooManyChannels { most: 100 }.into());
    assert_eq!(ask(&mut state, "a", follow(100)).replies, [(Waiter(1), refused)]);
    assert_eq!(ask(&mut state, "a", follow(7)).replies, [(Waiter(1), Reply::Done)], "it is followed already");
    ask(&mut state, "a", TalkCommand::Unfollow("c7".parse().unwrap()));
    assert_eq!(ask(&mut state, "a", follow(100)).replies, [(Waiter(1), Reply::Done)]);
}

#[test]
fn what_is_old_is_forgotten_a_thousand_at_a_time() {
    let mut state = state(&["a", "b"]);
    state.talk = talk::Talk::rebuild(TalkSeed { last_message: 100_998, ..TalkSeed::default() });
    let forgets = |state: &mut State| {
        let step = ask(state, "a", TalkCommand::Send(Box::new(message(Recipient::Agent(name("b"))))));
        step.rows.into_iter().find(|row| matches!(row, Row::Talk(TalkRow::Forget(_))))
    };
    assert_eq!(forgets(&mut state), None);
    assert_eq!(forgets(&mut state), Some(Row::Talk(TalkRow::Forget(MessageId(1_000)))));
    assert_eq!(forgets(&mut state), None);
}

#[test]
fn a_message_names_so_many_recipients() {
    let mut state = state(&["a", "b"]);
    let to = vec![Recipient::Agent(name("b")); 101];
    let new = NewMessage { to, ..message(Recipient::Everyone) };
    let refused = Reply::Refused(TalkRefusal::Recipients { count: 101, most: 100 }.into());
    let step = ask(&mut state, "a", TalkCommand::Send(Box::new(new)));
    assert_eq!(step.replies, [(Waiter(1), refused)]);
}

#[test]
fn recipients_read_back_as_they_were_written() {
    for text in ["ben", "#billing", "@role:worker", "@task:t12", "@everyone"] {
        assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
    }
    for text in ["", "#", "@", "@all", "@role:", "@role:king", "@task:12", "#A", "a b"] {
        assert!(text.parse::<Recipient>().is_err(), "{text:?} was accepted");
    }
}

#[test]
fn a_body_has_its_limits() {
    assert_eq!(MessageBody::new("", None), Err(InvalidMessage::NoText));
    let (text, data) = ("x".repeat(MAX_MESSAGE), "1".repeat(MAX_DATA));
    assert!(MessageBody::new(&text, Some(&data)).is_ok());
    for (text, data) in [(format!("{text}x"), data.clone()), (text, format!("{data}1"))] {
        assert!(matches!(MessageBody::new(&text, Some(&data)), Err(InvalidMessage::TooLong { .. })));
    }
}
