//! Messages and shared state over a real database file.

use super::*;
use crate::{End, KeyFilter, MessageFilter, StoredMessage};

fn team() -> Project {
    let project = Project::open();
    for name in ["ann", "ben", "cat"] {
        project.add_agent(name).unwrap();
    }
    project
}

fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

impl Project {
    fn talk(&self, by: &str, command: TalkCommand) -> Result<Reply, Refusal> {
        match self.ask(agent(by), Command::Talk(command)).unwrap() {
            Reply::Refused(refusal) => Err(refusal),
            reply => Ok(reply),
        }
    }

    fn send(&self, by: &str, to: &[&str], text: &str) -> Sent {
        let new = NewMessage {
            to: to.iter().map(|to| to.parse().unwrap()).collect(),
            thread: None,
            importance: Importance::High,
            ack: true,
            body: MessageBody::new(text, Some(r#"{"n":1}"#)).unwrap(),
        };
        match self.talk(by, TalkCommand::Send(Box::new(new))) {
            Ok(Reply::Talk(TalkReply::Sent(sent))) => sent,
            other => panic!("{other:?}"),
        }
    }

    fn facts(&self, by: &str) -> MailFacts {
        let command = TalkCommand::Inbox { after: None, which: Which::All, until: None };
        match self.talk(by, command) {
            Ok(Reply::Talk(TalkReply::Mail(facts))) => facts,
            other => panic!("{other:?}"),
        }
    }

    fn list(&self, filter: MessageFilter) -> Vec<StoredMessage> {
        self.coordinator.reads().messages(&MessageFilter { limit: 100, ..filter }).unwrap()
    }

    fn ids(&self, filter: MessageFilter) -> Vec<u64> {
        self.list(filter).iter().map(|stored| stored.message.id.0).collect()
    }

    fn set(&self, by: &str, key: &str, value: &str, expected: Precondition) -> Result<StateVersion, Refusal> {
        match self.talk(by, TalkCommand::Set(key.parse().unwrap(), value.into(), expected)) {
            Ok(Reply::Talk(TalkReply::Version(version))) => Ok(version),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal),
        }
    }
}

#[test]
fn mail_its_cursor_and_its_numbers_outlive_the_process() {
    let project = team();
    project.talk("cat", TalkCommand::Follow("build".parse().unwrap())).unwrap();
    assert_eq!(project.send("ann", &["ben", "#build"], "one").to, [name("ben"), name("cat")]);
    project.send("ann", &["@everyone"], "two");
    project.send("ben", &["ann"], "three");
    project.talk("ben", TalkCommand::Ack(MessageId(1), Extent::One)).unwrap();
    let before = ["ann", "ben", "cat"].map(|name| project.facts(name));
    let project = project.reopen();
    assert_eq!(["ann", "ben", "cat"].map(|name| project.facts(name)), before);
    assert_eq!((before[1].cursor, before[1].last, before[1].unread), (MessageId(1), MessageId(2), 1));
    assert_eq!(project.send("ann", &["#build"], "four").to, [name("cat")], "nobody follows any more");
    let stored = project.list(MessageFilter { id: Some(MessageId(1)), ..MessageFilter::default() });
    let [StoredMessage { message, acked_at }] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((message.new.body.text(), message.new.body.data()), ("one", Some(r#"{"n":1}"#)));
    assert_eq!((message.new.importance, message.new.ack), (Importance::High, true));
    assert_eq!(message.to, [name("ben"), name("cat")]);
    assert!(acked_at[0].is_some() && acked_at[1].is_none());
}

#[test]
fn messages_are_listed_by_what_is_asked_for() {
    let project = team();
    project.talk("cat", TalkCommand::Follow("build".parse().unwrap())).unwrap();
    project.send("ann", &["ben"], "1");
    project.send("ben", &["#build"], "2");
    project.send("ann", &["@everyone"], "3");
    let all = MessageFilter::default;
    assert_eq!(project.ids(all()), [1, 2, 3]);
    assert_eq!(project.ids(MessageFilter { seen_by: Some(name("cat")), ..all() }), [2, 3]);
    assert_eq!(project.ids(MessageFilter { from: Some(name("ann")), ..all() }), [1, 3]);
    assert_eq!(project.ids(MessageFilter { to: Some(name("ben")), after: Some(MessageId(1)), ..all() }), [3]);
    assert_eq!(project.ids(MessageFilter { channel: Some("build".parse().unwrap()), ..all() }), [2]);
    assert_eq!(project.ids(MessageFilter { thread: Some(MessageId(2)), ..all() }), [2]);
    project.talk("ben", TalkCommand::Ack(MessageId(1), Extent::UpTo)).unwrap();
    assert_eq!(project.ids(MessageFilter { unread_by: Some(name("ben")), ..all() }), [3]);
    let last = MessageFilter { limit: 2, end: End::Last, ..all() };
    let ids: Vec<u64> = project
        .coordinator
        .reads()
        .messages(&last)
        .unwrap()
        .iter()
        .map(|stored| stored.message.id.0)
        .collect();
    assert_eq!(ids, [2, 3]);
}

#[test]
fn a_removed_agent_takes_its_inbox_and_its_name_along() {
    let project = team();
    project.talk("ben", TalkCommand::Follow("build".parse().unwrap())).unwrap();
    project.send("ann", &["ben", "cat"], "1");
    project.send("ben", &["cat"], "2");
    project.send("ann", &["ben"], "3");
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent(name("ben"))), Ok(Reply::Done));
    project.add_agent("ben").unwrap();
    let mine = || MessageFilter { seen_by: Some(name("ben")), ..MessageFilter::default() };
    assert_eq!(project.ids(mine()), [] as [u64; 0], "what was another's is seen");
    assert_eq!(project.facts("ben").unread, 0);
    let to_cat = MessageFilter { to: Some(name("cat")), ..MessageFilter::default() };
    assert_eq!(project.ids(to_cat), [1, 2], "what it sent went with it");
    // Nobody is left to read it.
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent(name("cat"))), Ok(Reply::Done));
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent(name("ann"))), Ok(Reply::Done));
    assert_eq!(project.ids(MessageFilter::default()), [] as [u64; 0]);
    let project = project.reopen();
    project.add_agent("dan").unwrap();
    assert_eq!(project.send("dan", &["dan"], "4").id, MessageId(4), "a number was given twice");
}

#[test]
fn what_is_old_goes_unless_somebody_has_still_to_read_it() {
    let project = team();
    for text in ["1", "2", "3"] {
        project.send("ann", &["ben", "cat"], text);
    }
    for reader in ["ben", "cat"] {
        project.talk(reader, TalkCommand::Ack(MessageId(2), Extent::UpTo)).unwrap();
    }
    project.talk("ben", TalkCommand::Ack(MessageId(3), Extent::One)).unwrap();
    let connection = Connection::open(database(project.dir.path())).unwrap();
    crate::rows::messages::forget(&connection, MessageId(1)).unwrap();
    assert_eq!(project.ids(MessageFilter::default()), [2, 3]);
    crate::rows::messages::forget(&connection, MessageId(3)).unwrap();
    assert_eq!(project.ids(MessageFilter::default()), [3]);
}

#[test]
fn shared_state_outlives_the_process_and_no_version_comes_again() {
    let project = team();
    let first = project.set("ann", "a/b", "[1, 2]", Precondition::Absent).unwrap();
    let second = project.set("ann", "a/c", "\"ü\"", Precondition::Any).unwrap();
    let stale = project.set("ben", "a/b", "2", Precondition::Version(second));
    assert_eq!(stale, Err(TalkRefusal::Stale { key: "a/b".parse().unwrap(), current: first }.into()));
    let project = project.reopen();
    let value = project.coordinator.reads().shared_value(&"a/c".parse().unwrap()).unwrap().unwrap();
    assert_eq!((value.version, value.value.as_str(), value.set_by), (second, "\"ü\"", name("ann")));
    let third = project.set("ben", "a/c", "3", Precondition::Version(second)).unwrap();
    project.talk("ben", TalkCommand::Delete("a/c".parse().unwrap(), Precondition::Version(third))).unwrap();
    let project = project.reopen();
    let fourth = project.set("ben", "a/c", "4", Precondition::Absent).unwrap();
    assert!(first < second && second < third && third < fourth);
    let keys = |filter: KeyFilter| {
        let keys = project.coordinator.reads().shared_keys(&KeyFilter { limit: 10, ..filter }).unwrap();
        keys.into_iter().map(|key| (key.key.to_string(), key.bytes)).collect::<Vec<_>>()
    };
    project.set("ben", "b", "5", Precondition::Any).unwrap();
    assert_eq!(keys(KeyFilter { prefix: "a/".into(), ..KeyFilter::default() }).len(), 2);
    let after = Some("a/b".parse().unwrap());
    assert_eq!(keys(KeyFilter { after, ..KeyFilter::default() }), [("a/c".into(), 1), ("b".into(), 1)]);
}

#[test]
fn a_wait_for_mail_ends_with_a_message() {
    let project = team();
    let now = crate::Clock::now(&SystemClock::default());
    let until = Some(now.plus_millis(600_000));
    let wait = || Command::Talk(TalkCommand::Inbox { after: None, which: Which::All, until });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut waiting = Box::pin(project.coordinator.submit(agent("ben"), wait()));
    let is_pending = runtime.block_on(std::future::poll_fn(|context| {
        std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())
    }));
    assert!(is_pending);
    project.send("ann", &["ben"], "wake up");
    let reply = runtime.block_on(waiting);
    let Ok(Reply::Talk(TalkReply::Mail(facts))) = reply else { panic!("{reply:?}") };
    assert_eq!((facts.last, facts.unread), (MessageId(1), 1));
}
