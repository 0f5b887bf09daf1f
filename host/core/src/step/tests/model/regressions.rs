//! What went wrong once, each as short as it can be told. [`World`] checks everything at each step.

use super::world::{World, add};
use super::{name, team};
use crate::*;

const HOUR_MS: u64 = 3_600_000;

fn by(agent: &str) -> Caller {
    Caller::Agent(name(agent))
}

fn spec() -> TaskSpec {
    TaskSpec { max_attempts: 3, ..TaskSpec::default() }
}

fn new(spec: TaskSpec, parents: &[Parent]) -> NewTask {
    let body = TaskBody { title: "title".into(), description: "text".into() };
    NewTask { body, spec, parents: parents.to_vec() }
}

impl World {
    fn ask(&mut self, caller: Caller, command: TaskCommand) -> Reply {
        let mut step = self.tell(caller, Command::Task(command));
        step.replies.remove(0).1
    }

    fn make(&mut self, spec: TaskSpec, parents: &[TaskId]) -> TaskId {
        let parents: Vec<Parent> = parents.iter().copied().map(Parent::Existing).collect();
        self.ask(by("cora"), TaskCommand::Create(vec![new(spec, &parents)]));
        self.state.last_task
    }

    fn hold(&mut self, agent: &str, id: TaskId) -> Hold {
        let request = ClaimRequest { want: Want::Task(id), ..ClaimRequest::next() };
        match self.ask(by(agent), TaskCommand::Claim(request)) {
            Reply::Task(TaskReply::Claimed(claimed)) if claimed.grants.len() == 1 => claimed.grants[0].hold(),
            other => panic!("{id} was not granted: {other:?}"),
        }
    }

    fn wait_for(&mut self, agent: &str, want: Want) {
        let wait_until = Some(self.now.plus_millis(50_000));
        let step = self.tell(
            by(agent),
            Command::Task(TaskCommand::Claim(ClaimRequest { want, wait_until, ..ClaimRequest::next() })),
        );
        assert!(step.replies.is_empty(), "{:?}", step.replies);
    }

    fn complete(&mut self, agent: &str, hold: Hold) {
        self.ask(by(agent), TaskCommand::Complete(Completion { hold, result: "done".into(), next: None }));
    }

    fn fail(&mut self, agent: &str, hold: Hold) {
        self.ask(by(agent), TaskCommand::Fail(Failure { hold, reason: "no".into(), again: Again::Never }));
    }

    fn cancel(&mut self, id: TaskId) {
        self.ask(by("cora"), TaskCommand::Cancel(id, "no".into()));
    }

    fn patch(&mut self, id: TaskId, patch: TaskPatch) -> Reply {
        self.ask(by("cora"), TaskCommand::Patch(id, Box::new(patch)))
    }

    fn retry(&mut self, stored: &StoredTask) -> Reply {
        self.ask(by("cora"), TaskCommand::Retry(Box::new(stored.clone())))
    }

    fn status(&self, id: TaskId) -> TaskStatus {
        self.store.tasks[&id].task.state.status
    }
}

fn refused(reply: Reply) -> TaskRefusal {
    match reply {
        Reply::Refused(Refusal::Task(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_lease_that_nobody_could_renew_is_forgiven_and_not_lost() {
    let mut world = World::new();
    let id = world.make(spec(), &[]);
    world.hold("wes", id);
    world.wait_ms(HOUR_MS);
    world.tell(Caller::Server, Command::Forgive);
    assert_eq!(world.status(id), TaskStatus::InProgress);
}

#[test]
fn a_restart_is_no_silence_of_a_holder_without_a_session() {
    let mut world = World::new();
    let id = world.make(spec(), &[]);
    world.hold("wes", id);
    for _ in 0..4 {
        world.wait_ms(9 * 60_000);
        let fence = world.state.queue.get(id).unwrap().state.fence.unwrap();
        world.ask(by("wes"), TaskCommand::Renew(Hold { task: id, fence }));
    }
    world.restart();
    world.wait_ms(9 * 60_000);
    world.tell(Caller::Server, Command::Touch(name("wes"), None));
    world.wait_ms(9 * 60_000);
    world.tell(Caller::Server, Command::Tick);
    assert_eq!(world.status(id), TaskStatus::InProgress);
}

#[test]
fn a_task_given_back_after_its_deadline_is_not_handed_out() {
    let mut world = World::new();
    let deadline = Some(world.now.plus_millis(1_000));
    let id = world.make(TaskSpec { deadline, ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.wait_ms(2_000);
    world.wait_for("wim", Want::Next(1));
    world.ask(by("wes"), TaskCommand::Release(hold, "".into()));
    assert_eq!(world.status(id), TaskStatus::Failed);
}

#[test]
fn a_scheduled_task_is_brought_forward_by_an_earlier_not_before() {
    let mut world = World::new();
    let id = world.make(TaskSpec { not_before: Some(world.now.plus_millis(HOUR_MS)), ..spec() }, &[]);
    world.patch(id, TaskPatch { not_before: Some(None), ..TaskPatch::default() });
    assert_eq!(world.status(id), TaskStatus::Pending);
}

#[test]
fn a_removed_agent_does_not_change_what_it_submitted() {
    let mut world = World::new();
    let id = world.make(TaskSpec { verify: Some(Verify::Run(vec!["make".into()])), ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.complete("wes", hold);
    world.tell(Caller::Operator, Command::RemoveAgent(name("wes")));
    let reply = world.ask(by("wes"), TaskCommand::Patch(id, Box::default()));
    assert_eq!(reply, Reply::Refused(Refusal::CallerGone(name("wes"))));
}

#[test]
fn work_goes_back_to_its_holder_when_its_check_is_cancelled() {
    let mut world = World::new();
    let id = world.make(TaskSpec { verify: Some(Verify::Agent("check".parse().unwrap())), ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.complete("wes", hold);
    let check = world.state.last_task;
    world.cancel(check);
    assert_eq!(world.status(id), TaskStatus::InProgress);
}

#[test]
fn nothing_is_told_of_a_task_after_its_end_when_its_check_fails() {
    let mut world = World::new();
    let parent = world.make(spec(), &[]);
    let id = world.make(TaskSpec { verify: Some(Verify::Run(vec!["make".into()])), ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.complete("wes", hold);
    world.patch(id, TaskPatch { depends_on: Some(vec![parent]), ..TaskPatch::default() });
    world.cancel(parent);
    world.tell(Caller::Operator, Command::RemoveAgent(name("wes")));
    world.ask(Caller::Server, TaskCommand::Checked(Verdict { hold, passed: false, output: "ran".into() }));
    assert_eq!(world.status(id), TaskStatus::Cancelled);
}

#[test]
fn a_check_that_is_tried_again_has_not_judged() {
    let mut world = World::new();
    let id = world.make(TaskSpec { verify: Some(Verify::Agent("check".parse().unwrap())), ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.complete("wes", hold);
    let check = world.state.last_task;
    world.patch(check, TaskPatch { max_attempts: Some(2), ..TaskPatch::default() });
    let hold = world.hold("wyn", check);
    world.ask(
        by("wyn"),
        TaskCommand::Fail(Failure { hold, reason: "no".into(), again: Again::IfAttemptsAreLeft }),
    );
    assert_eq!(world.status(id), TaskStatus::Verifying);
}

#[test]
fn a_task_that_fails_when_it_was_to_stop_ends_once() {
    let mut world = World::new();
    let id = world.make(spec(), &[]);
    let hold = world.hold("wes", id);
    world.cancel(id);
    world.fail("wes", hold);
    assert_eq!(world.status(id), TaskStatus::Cancelled);
}

#[test]
fn what_work_is_checked_by_stays_while_it_is_being_checked() {
    let mut world = World::new();
    let id = world.make(TaskSpec { verify: Some(Verify::Run(vec!["make".into()])), ..spec() }, &[]);
    let hold = world.hold("wes", id);
    world.complete("wes", hold);
    let reply = world.patch(id, TaskPatch { verify: Some(None), ..TaskPatch::default() });
    assert!(matches!(refused(reply), TaskRefusal::WrongStatus { .. }));
}

#[test]
fn the_claim_of_a_removed_agent_is_not_granted_to_its_namesake() {
    let mut world = World::new();
    world.wait_for("wes", Want::Next(1));
    let step = world.tell(Caller::Operator, Command::RemoveAgent(name("wes")));
    assert!(step.replies.iter().any(|(_, reply)| *reply == Reply::Refused(Refusal::CallerGone(name("wes")))));
    world.tell(Caller::Operator, add(team()[2].clone()));
    let id = world.make(spec(), &[]);
    assert_eq!(world.status(id), TaskStatus::Pending);
}

#[test]
fn a_claim_that_gives_up_does_not_get_a_task_that_was_given_to_another() {
    let mut world = World::new();
    let id = world.make(TaskSpec { not_before: Some(world.now.plus_millis(10_000)), ..spec() }, &[]);
    world.wait_for("wes", Want::Task(id));
    world.patch(id, TaskPatch { assigned_to: Some(Some(name("wim"))), ..TaskPatch::default() });
    world.wait_ms(HOUR_MS);
    world.tell(Caller::Server, Command::Tick);
    assert_eq!(world.status(id), TaskStatus::Pending);
}

#[test]
fn a_task_that_was_held_when_a_parent_failed_does_not_begin_again() {
    let mut world = World::new();
    let (parent, child) = (world.make(spec(), &[]), world.make(spec(), &[]));
    let hold = world.hold("wes", child);
    world.patch(child, TaskPatch { depends_on: Some(vec![parent]), ..TaskPatch::default() });
    world.cancel(parent);
    world.ask(by("wes"), TaskCommand::Release(hold, "".into()));
    assert_eq!(world.status(child), TaskStatus::Cancelled);
}

#[test]
fn an_answer_to_a_task_whose_parent_failed_tells_that_it_is_over() {
    let mut world = World::new();
    let (parent, child) = (world.make(spec(), &[]), world.make(spec(), &[]));
    let hold = world.hold("wes", child);
    world.ask(by("wes"), TaskCommand::Ask(hold, "which".into()));
    world.patch(child, TaskPatch { depends_on: Some(vec![parent]), ..TaskPatch::default() });
    world.cancel(parent);
    let reply = world.ask(by("cora"), TaskCommand::Answer(child, "this".into()));
    assert_eq!(reply, Reply::Task(TaskReply::Stands(Stands { id: child, status: TaskStatus::Cancelled })));
}

#[test]
fn a_child_that_has_not_begun_waits_for_a_parent_that_is_retried() {
    let mut world = World::new();
    let first = world.make(spec(), &[]);
    let second = world.make(TaskSpec { on_parent_failure: OnParentFailure::Run, ..spec() }, &[first]);
    world.cancel(first);
    assert_eq!(world.status(second), TaskStatus::Pending);
    let stored = world.store.tasks[&first].clone();
    world.retry(&stored);
    assert_eq!(world.status(second), TaskStatus::Blocked);
}

#[test]
fn a_retry_of_what_waits_for_its_own_child_is_refused() {
    let mut world = World::new();
    let parent = world.make(TaskSpec { on_parent_failure: OnParentFailure::Run, ..spec() }, &[]);
    let child = world.make(spec(), &[parent]);
    world.cancel(child);
    let stored = world.store.tasks[&child].clone();
    world.patch(parent, TaskPatch { depends_on: Some(vec![child]), ..TaskPatch::default() });
    assert_eq!(refused(world.retry(&stored)), TaskRefusal::Cycle(Node::Task(child)));
}

#[test]
fn a_retry_by_an_old_look_begins_nothing() {
    let mut world = World::new();
    let id = world.make(spec(), &[]);
    world.cancel(id);
    let first_look = world.store.tasks[&id].clone();
    world.retry(&first_look);
    world.cancel(id);
    assert_eq!(refused(world.retry(&first_look)), TaskRefusal::Retried(id));
}

#[test]
fn siblings_of_one_key_do_not_wait_for_themselves() {
    let mut world = World::new();
    let keyed = TaskSpec { key: Some("k".parse().unwrap()), ..spec() };
    let list = vec![new(keyed.clone(), &[Parent::Sibling(1)]), new(keyed, &[])];
    let reply = world.ask(by("wes"), TaskCommand::Create(list));
    assert_eq!(refused(reply), TaskRefusal::Cycle(Node::New(0)));
}

#[test]
fn a_sibling_that_failed_under_its_key_is_a_parent_that_failed() {
    let mut world = World::new();
    let keyed = TaskSpec { key: Some("k".parse().unwrap()), ..spec() };
    let id = world.make(keyed.clone(), &[]);
    world.cancel(id);
    let list = vec![new(keyed, &[]), new(spec(), &[Parent::Sibling(0)])];
    let reply = world.ask(by("wes"), TaskCommand::Create(list));
    assert!(matches!(refused(reply), TaskRefusal::ParentEnded { .. }));
}

#[test]
fn a_list_that_was_made_before_is_found_whatever_became_of_its_parents() {
    let mut world = World::new();
    let parent = world.make(spec(), &[]);
    let keyed = TaskSpec { key: Some("k".parse().unwrap()), ..spec() };
    let child = world.make(keyed.clone(), &[parent]);
    world.cancel(parent);
    let reply = world.ask(by("cora"), TaskCommand::Create(vec![new(keyed, &[Parent::Existing(parent)])]));
    let existing = Created { id: child, status: TaskStatus::Cancelled, existed: true };
    assert_eq!(reply, Reply::Task(TaskReply::Created([existing].into())));
}

#[test]
fn a_completion_that_waited_for_its_next_task_is_remembered_after_a_restart() {
    let mut world = World::new();
    let id = world.make(spec(), &[]);
    let hold = world.hold("wes", id);
    let next = Some(ClaimRequest { wait_until: Some(world.now.plus_millis(50_000)), ..ClaimRequest::next() });
    let completion = Completion { hold, result: "done".into(), next };
    let command = Command::Task(TaskCommand::Complete(completion));
    let keyed = Some(Keyed { key: "request".parse().unwrap(), hash: 1 });
    assert!(world.tell_once(by("wes"), command.clone(), keyed.clone()).replies.is_empty());
    world.restart();
    let step = world.tell_once(by("wes"), command, keyed);
    let ended = Some(Stands { id, status: TaskStatus::Completed });
    let reply =
        Reply::Task(TaskReply::Claimed(Box::new(Claimed { ended, grants: Vec::new(), nothing: None })));
    assert!(matches!(step.replies.as_slice(), [(_, told)] if *told == reply), "{:?}", step.replies);
}
