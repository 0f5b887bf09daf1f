//! Tasks and leases against a model of their rules, in random histories.
//!
//! [`history`] says what may happen, [`world`] lets it happen, [`reference`] says what should come of it, and [`checks`]
//! what must hold whatever comes.

mod answers;
mod checks;
mod history;
mod reachable;
mod reference;
mod regressions;
mod resolve;
mod starvation;
pub(super) mod store;
mod world;

use std::cell::{Cell, RefCell};

use proptest::test_runner::{Config, TestError, TestRunner};

use crate::*;
use answers::Tally;
use world::World;

const HISTORIES: u32 = 1_000;
const LENGTH: usize = 280;

#[test]
fn every_history_goes_as_the_model_says() {
    let tally = RefCell::new(Tally::default());
    let commands = Cell::new(0);
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&history::any_history(LENGTH), |history| {
        let mut world = World::new();
        history.iter().for_each(|action| world.take(action));
        tally.borrow_mut().add(&world.tally);
        commands.set(commands.get() + history.len());
        Ok(())
    });
    println!("{} commands{}", commands.get(), tally.borrow());
    match ran {
        Ok(()) => assert_eq!(tally.borrow().missing(reachable::REACHABLE), [], "never met"),
        Err(TestError::Abort(why)) => panic!("{why}"),
        Err(TestError::Fail(_, history)) => {
            let mut world = World::new();
            world.watch = |envelope, step| println!("{envelope:?}\n    {:?}", step.replies);
            history.iter().for_each(|action| world.take(action));
            panic!("it went well the second time");
        }
    }
}

fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn profiles() -> Profiles {
    [("full".parse().unwrap(), Profile::default())].into()
}

/// Everybody who may be there.
fn team() -> Vec<Agent> {
    [
        ("ada", Role::Admin, vec![]),
        ("cora", Role::Coordinator, vec!["api"]),
        ("wes", Role::Worker, vec!["api"]),
        ("wim", Role::Worker, vec!["api", "db"]),
        ("wyn", Role::Worker, vec!["check"]),
        ("ovid", Role::Observer, vec![]),
    ]
    .map(|(name, role, capabilities)| Agent {
        name: name.parse().unwrap(),
        role,
        profile: "full".parse().unwrap(),
        capabilities: capabilities.into_iter().map(|name| name.parse().unwrap()).collect(),
    })
    .into()
}
