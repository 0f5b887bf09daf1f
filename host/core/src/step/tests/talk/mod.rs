//! Messages and shared state against a model of their rules, in random histories.

mod answers;
mod history;
mod reference;
mod stored;
mod units;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::test_runner::{Config, TestRunner};

pub(super) use stored::TalkStore;
use world::World;

const HISTORIES: u32 = 300;
const LENGTH: usize = 120;

/// How often each command had each answer.
type Tally = BTreeMap<(&'static str, &'static str), usize>;

/// Commands, and the kinds of their answers.
const REACHABLE: &[(&str, &str)] = &[
    ("(had waited)", "caller_gone mail nothing version"),
    ("(restart)", "same"),
    ("ack", "acked ahead caller_gone nothing"),
    ("add_agent", "agent_exists done"),
    ("delete", "caller_gone role_too_low stale unknown_key version"),
    ("follow", "caller_gone done"),
    ("inbox", "ahead caller_gone mail nothing waits"),
    ("leave", "done"),
    ("look", "caller_gone version waits"),
    ("progress", "caller_gone done role_too_low"),
    ("remove_agent", "done no_such_agent"),
    ("repeat", "done acked key_reused nothing sent version"),
    (
        "send",
        "caller_gone inbox_full left_out no_such_agent no_such_task nobody not_held recipients role_too_low sent",
    ),
    ("set", "caller_gone role_too_low stale version"),
    ("unfollow", "caller_gone done"),
];

#[test]
fn every_history_goes_as_the_model_says() {
    let (tally, commands) = (RefCell::new(Tally::new()), Cell::new(0));
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&history::any_history(LENGTH), |history| {
        let mut world = World::new();
        history.iter().for_each(|action| world.take(action));
        world.finish();
        for (met, count) in world.tally {
            *tally.borrow_mut().entry(met).or_default() += count;
        }
        commands.set(commands.get() + history.len());
        Ok(())
    });
    println!("{} commands", commands.get());
    for ((command, answer), count) in tally.borrow().iter() {
        println!("{count:>8}  {command:<14} {answer}");
    }
    ran.unwrap();
    let never: Vec<_> = REACHABLE
        .iter()
        .flat_map(|(command, answers)| answers.split(' ').map(move |answer| (*command, answer)))
        .filter(|met| !tally.borrow().contains_key(met))
        .collect();
    assert_eq!(never, [], "never met");
    assert!(commands.get() >= 20_000);
}
