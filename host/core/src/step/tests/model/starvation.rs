//! Nothing waits for ever.

use super::name;
use super::world::World;
use crate::*;

/// Each round makes tasks more urgent than any before, and workers take as many as come.
#[test]
fn every_ready_task_is_claimed_within_a_bound() {
    const EACH: u64 = 4;
    let mut world = World::new();
    let mut old: Vec<TaskId> = Vec::new();
    for labels in [&[][..], &["ui"], &["ci", "ui"]] {
        let label = |label: &&str| label.parse().unwrap();
        let spec = TaskSpec { labels: labels.iter().map(label).collect(), ..task(-100) };
        old.push(make(&mut world, spec));
    }
    let limit = LabelLimit { concurrent: Some(1), starts_per_second: Some(1) };
    let limits = QueueLimits { labels: [("ui".parse().unwrap(), limit)].into(), ..QueueLimits::default() };
    world.tell(Caller::Operator, Command::Queue(QueueCommand::SetLimits(Box::new(limits))));

    // A point of priority is worth a minute, so that whatever is made 200 minutes later comes after them.
    for _round in 0..202 {
        for _ in 0..EACH {
            make(&mut world, task(100));
        }
        for worker in ["wes", "wim", "wyn", "cora"] {
            work(&mut world, worker);
        }
        world.wait_ms(60_000);
    }
    for id in old {
        assert_eq!(world.state.queue.fate(id), Some(TaskStatus::Completed), "{id} was never claimed");
    }
}

fn task(priority: i64) -> TaskSpec {
    TaskSpec { priority: priority.try_into().unwrap(), max_attempts: 1, ..TaskSpec::default() }
}

fn make(world: &mut World, spec: TaskSpec) -> TaskId {
    let body = TaskBody { title: "title".into(), description: "text".into() };
    let new = NewTask { body, spec, parents: Vec::new() };
    world.tell(Caller::Operator, Command::Task(TaskCommand::Create(vec![new])));
    world.state.last_task
}

fn work(world: &mut World, worker: &str) {
    let caller = Caller::Agent(name(worker));
    let step = world.tell(caller.clone(), Command::Task(TaskCommand::Claim(ClaimRequest::next())));
    let [(_, Reply::Task(TaskReply::Claimed(claimed)))] = step.replies.as_slice() else { panic!("{step:?}") };
    for grant in &claimed.grants {
        let completion = Completion { hold: grant.hold(), result: "done".into(), next: None };
        world.tell(caller.clone(), Command::Task(TaskCommand::Complete(completion)));
    }
}
