//! What was refused, over a real database file.

use longhouse_core::{Act, Denial, Denied, RunId, Verb};

use super::*;
use crate::DenialFilter;

fn denied(run: Option<RunId>, count: u64, named: &[&str]) -> Denied {
    let denial = Denial {
        agent: "a".parse().unwrap(),
        run,
        act: Act::File(Verb::Write),
        rule: "files.deny: x/**".to_owned(),
    };
    Denied { denial, count, named: named.iter().map(|&name| name.to_owned()).collect() }
}

#[test]
fn refusals_of_one_kind_are_one_row_and_those_of_another_run_are_not() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let run = Some("r3-907".parse().unwrap());
    for more in [
        vec![denied(None, 2, &["x/1", "x/2"]), denied(run, 1, &["x/1"])],
        vec![denied(None, 3, &["x/2", "x/3"])],
    ] {
        let reply = project.ask(Caller::Server, Command::Audit(more));
        assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    }
    let list = |filter: DenialFilter| -> Vec<_> {
        let found = project.coordinator.reads().denials(&DenialFilter { limit: 9, ..filter }).unwrap();
        found.into_iter().map(|stored| stored.denied).collect()
    };
    let (of_calls, of_run) = (denied(None, 5, &["x/1", "x/2", "x/3"]), denied(run, 1, &["x/1"]));
    assert_eq!(list(DenialFilter::default()), [of_run.clone(), of_calls.clone()]);
    assert_eq!(list(DenialFilter { run, ..DenialFilter::default() }), [of_run]);
    let before = project.coordinator.reads().denials(&DenialFilter { limit: 1, ..DenialFilter::default() });
    let before = Some(before.unwrap().remove(0).id);
    assert_eq!(list(DenialFilter { before, ..DenialFilter::default() }), [of_calls]);
    assert!(list(DenialFilter { act: Some(Act::Run), ..DenialFilter::default() }).is_empty());
    let refused = project.ask(agent("a"), Command::Audit(Vec::new()));
    assert!(matches!(refused, Ok(Reply::Refused(_))), "an agent wrote into the record");
}
