//! What people read.

use std::fmt::Write as _;
use std::time::Duration;

use longhouse_replay::{Agreement, Measures, Waits};
use serde_json::Value;

use crate::app::rehearsal::{Decisions, Fared, Otherwise, Replayed, ShadowFacts};

/// How many digits of a version are shown: enough to tell it from others.
const DIGITS: usize = 12;

/// What decides, and how it fares.
pub(super) fn listed(found: &Value) -> String {
    let mut rows = vec![["kind", "policy", "version", "calls", "faults"].map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for (kind, policy) in found["policies"].as_object().into_iter().flatten() {
        let text = |field: &str| policy[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| policy[field].to_string();
        rows.push(vec![
            kind.clone(),
            text("name"),
            short(&text("version")).to_owned(),
            number("calls"),
            number("faults"),
        ]);
        if let Some(fault) = policy["last_fault"].as_str() {
            note(&mut notes, format_args!("{kind}: the last fault: {fault}"));
        }
    }
    let names: Vec<&str> =
        found["built_in"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    note(&mut notes, format_args!("ships with the server: {}", names.join(", ")));
    format!("{}\n{notes}", aligned(&rows))
}

/// What a policy would have done.
pub(super) fn replayed(replayed: &Replayed) -> String {
    let Replayed { in_force, candidate, recorded, picks, record, .. } = replayed;
    let columns = [recorded, &in_force.measures, &candidate.measures];
    let row = |name: &str, value: &dyn Fn(&Measures) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(columns.map(value)).collect()
    };
    let waits = |name: &str, of: &dyn Fn(&Measures) -> Option<Waits>| -> Vec<String> {
        row(name, &|measures| of(measures).map_or_else(|| "-".to_owned(), told))
    };
    let title = |name: &str, version: &Option<_>, also: &str| match version {
        Some(version) => format!("{name} {}{also}", short(&format!("{version}"))),
        None => format!("{name}{also}"),
    };
    let mut rows = vec![
        vec![
            String::new(),
            "recorded".to_owned(),
            title(&in_force.name, &in_force.version, " again"),
            title(&candidate.name, &candidate.version, ""),
        ],
        row("claims", &|it| it.claims.to_string()),
        row("not taken", &|it| it.left.to_string()),
        row("makespan", &|it| time(it.makespan_ms)),
        row("late", &|it| it.late.to_string()),
        row("overlaps", &|it| it.overlaps.to_string()),
        row("fairness of work", &|it| format!("{:.3}", it.fairness.of_work)),
        row("fairness of slowdown", &|it| format!("{:.3}", it.fairness.of_slowdown)),
        waits("wait: mean, median, p95, longest", &|it| Some(it.waits)),
    ];
    let labels = recorded.waits_by_label.keys().chain(candidate.measures.waits_by_label.keys());
    let mut labels: Vec<_> = labels.collect();
    labels.sort_unstable();
    labels.dedup();
    for label in labels {
        rows.push(waits(&format!("  {label}"), &|it| it.waits_by_label.get(label).copied()));
    }
    let lasted = replayed.until.since(replayed.since);
    let mut text = format!(
        "{} over the last {}: {} tasks",
        replayed.kind,
        time(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)),
        replayed.tasks
    );
    if replayed.guessed > 0 {
        let _ = write!(
            text,
            ", {} of which nobody finished and are taken to last as long as most",
            replayed.guessed
        );
    }
    format!("{text}\n\n{}\n{}{}", aligned(&rows), agreed(picks), fared(record))
}

/// What a policy that runs beside the one in force has said so far.
pub(super) fn shadow(facts: &ShadowFacts) -> String {
    let version = facts.version.to_string();
    let mut text = format!("{} {} follows\n", facts.name, short(&version));
    text.extend(facts.picks.as_ref().map(agreed));
    text.extend(facts.decisions.as_ref().map(decided));
    text + &fared(&facts.record)
}

fn decided(decisions: &Decisions) -> String {
    let Decisions { asked, differ, latest } = decisions;
    let mut text = String::new();
    note(&mut text, format_args!("it would have decided otherwise {differ} of {asked} times"));
    for Otherwise { at: _, agent, about, decided, instead } in latest.iter().rev().take(5) {
        note(&mut text, format_args!("  {agent}, {about}: {decided}, not {instead}"));
    }
    text
}

fn agreed(picks: &Agreement) -> String {
    let mut text = String::new();
    note(
        &mut text,
        format_args!(
            "it would have given another task, or none, at {} of {} claims",
            picks.differ, picks.claims
        ),
    );
    if picks.skipped > 0 {
        note(&mut text, format_args!("{} more could not be made again", picks.skipped));
    }
    for difference in picks.latest.iter().rev().take(5) {
        let instead = difference.instead.map_or_else(|| "nothing".to_owned(), |task| task.to_string());
        let reason = difference.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        note(
            &mut text,
            format_args!("  {} had {}, not {instead}{reason}", difference.agent, difference.given),
        );
    }
    text
}

fn fared(record: &Fared) -> String {
    let Fared { calls, faults, took_us, last_fault, printed } = record;
    let mut text = String::new();
    let each = took_us.checked_div(*calls).unwrap_or_default();
    note(&mut text, format_args!("asked {calls} times, {each} us each, with {faults} faults"));
    if let Some(fault) = last_fault {
        note(&mut text, format_args!("the last fault: {fault}"));
    }
    for line in printed.lines() {
        note(&mut text, format_args!("| {line}"));
    }
    text
}

fn note(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

fn told(waits: Waits) -> String {
    let Waits { claims: _, mean_ms, median_ms, p95_ms, longest_ms } = waits;
    [mean_ms, median_ms, p95_ms, longest_ms].map(time).join(", ")
}

/// A time to two units at most.
fn time(ms: u64) -> String {
    let whole = if ms >= 10_000 { ms / 1_000 * 1_000 } else { ms };
    let text = humantime::format_duration(Duration::from_millis(whole)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn short(version: &str) -> &str {
    version.get(..DIGITS).unwrap_or(version)
}

/// Columns that begin at the same place in each line.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |text| text.chars().count());
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| cell(row, column)).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        note(&mut text, format_args!("{}", line.join("  ").trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let told = [0, 12, 9_999, 10_500, 61_000, 3_723_000, 90_061_000].map(time);
        assert_eq!(told, ["0s", "12ms", "9s 999ms", "10s", "1m 1s", "1h 2m", "1day 1h"]);
    }

    #[test]
    fn columns_begin_at_the_same_place() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb\nccc  d\n");
    }
}
