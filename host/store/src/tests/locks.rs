//! Locks over a real database file.

use super::tasks::runtime;
use super::*;

fn take(project: &Project, name: &str, pattern: &str) -> Result<Taken, Refusal> {
    let request = LockRequest::new(LockMode::Exclusive, vec![pattern.parse().unwrap()]);
    match project.ask(agent(name), Command::Lock(LockCommand::Take(request))) {
        Ok(Reply::Lock(LockReply::Taken(taken))) => Ok(taken),
        Ok(Reply::Refused(refusal)) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn release(project: &Project, name: &str, taken: Taken) {
    let command = LockCommand::Release(taken.lock, taken.fence);
    assert_eq!(project.ask(agent(name), Command::Lock(command)), Ok(Reply::Done));
}

fn with_two() -> Project {
    let project = Project::open();
    for name in ["a", "b"] {
        project.add_agent(name).unwrap();
        project.ask(Caller::Server, Command::Touch(name.parse().unwrap(), None)).unwrap();
    }
    project
}

#[test]
fn a_lock_outlives_the_process() {
    let project = with_two();
    let taken = take(&project, "a", "src/**").unwrap();
    let project = project.reopen();
    let refused = take(&project, "b", "src/main.rs");
    assert!(
        matches!(&refused, Err(Refusal::Lock(LockRefusal::Held { lock, .. })) if *lock == taken.lock),
        "{refused:?}"
    );
    release(&project, "a", taken);
    assert!(take(&project, "b", "src/main.rs").is_ok());
}

#[test]
fn a_locks_number_is_never_given_again() {
    let project = with_two();
    let first = take(&project, "a", "src/**").unwrap();
    release(&project, "a", first);
    let project = project.reopen();
    let second = take(&project, "a", "src/**").unwrap();
    assert!(second.lock > first.lock && second.fence > first.fence, "{first:?} {second:?}");
}

#[test]
fn a_lock_that_nobody_learns_of_is_released() {
    let project = with_two();
    let held = take(&project, "a", "src/**").unwrap();
    let mut request = LockRequest::new(LockMode::Exclusive, vec!["src/main.rs".parse().unwrap()]);
    request.wait_until = Some(crate::Clock::now(&SystemClock::default()).plus_millis(600_000));
    let events = project.coordinator.last_event();
    runtime().block_on(async {
        let mut asked =
            Box::pin(project.coordinator.submit(agent("b"), Command::Lock(LockCommand::Take(request))));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(asked.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        let before = *events.borrow();
        let release = LockCommand::Release(held.lock, held.fence);
        assert_eq!(project.coordinator.submit(agent("a"), Command::Lock(release)).await, Ok(Reply::Done));
        assert_eq!(events.borrow().0, before.0 + 2, "the lock was not handed on");
    });
    let found = project.ask(agent("a"), Command::Lock(LockCommand::Find));
    let Ok(Reply::Lock(LockReply::Found(found))) = found else { panic!("{found:?}") };
    assert!(found.locks.is_empty() && found.waiters.is_empty(), "{found:?}");
}
