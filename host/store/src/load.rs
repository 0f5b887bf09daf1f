//! Rebuilding the coordinator's state from what is stored.

use longhouse_core::{BootNumber, Profiles, Seed, State, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;
use crate::rows::{
    agents, commits, counters, crew, events, locks, replies, runs, settings, talk, tasks, tokens,
};

/// What is known besides the database when a state is rebuilt.
pub(crate) enum Opening {
    /// A process begins to serve the project: a new boot, with nothing running.
    Boot(Profiles),
    /// The same process goes on after a failed commit.
    Again(Again),
}

/// What a process that goes on knows of itself: runs it began are alive.
#[derive(Clone)]
pub(crate) struct Again {
    pub(crate) boot: BootNumber,
    pub(crate) last_run: u32,
    pub(crate) last_reservation: u64,
    pub(crate) profiles: Profiles,
}

/// Reads the whole state, and writes once, so that success proves that writing works.
pub(crate) fn load(
    connection: &mut Connection,
    opening: Opening,
    now: Timestamp,
) -> Result<State, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let boot = counters::next_boot(&transaction)?;
    let seed = match opening {
        Opening::Boot(profiles) => {
            seed(&transaction, Again { boot, last_run: 0, last_reservation: 0, profiles }, now)?
        }
        Opening::Again(again) => seed(&transaction, again, now)?,
    };
    transaction.commit()?;
    Ok(State::rebuild(seed))
}

/// Reads the whole state and writes nothing.
pub(crate) fn look(connection: &mut Connection, again: Again, now: Timestamp) -> Result<State, StoreError> {
    let transaction = connection.transaction()?;
    Ok(State::rebuild(seed(&transaction, again, now)?))
}

fn seed(connection: &Connection, again: Again, now: Timestamp) -> Result<Seed, StoreError> {
    let Again { boot, last_run, last_reservation, profiles } = again;
    Ok(Seed {
        boot: Some(boot),
        last_run,
        last_event: events::last_seq(connection)?,
        agents: agents::all(connection)?,
        tokens: tokens::all(connection)?,
        profiles,
        runs: runs::running(connection)?,
        now,
        fence_limit: counters::fence_limit(connection)?,
        tasks: tasks::live(connection)?,
        ended: tasks::ended(connection)?,
        task_keys: tasks::keys(connection)?,
        queue_rules: settings::queue_rules(connection)?,
        policies: settings::policies(connection)?,
        replies: replies::all(connection)?,
        last_lock: locks::last_id(connection)?,
        locks: locks::all(connection)?,
        talk: talk::seed(connection)?,
        crew: crew::seed(connection)?,
        commits: commits::seed(connection, last_reservation)?,
    })
}
