//! Rebuilding the coordinator's state from what is stored.

use longhouse_core::{BootNumber, Profiles, Seed, State, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;
use crate::rows::{agents, counters, crew, events, locks, replies, runs, settings, talk, tasks, tokens};

/// What is known besides the database when a state is rebuilt.
pub(crate) enum Opening {
    /// A process begins to serve the project: a new boot, with nothing running.
    Boot(Profiles),
    /// The same process goes on after a failed commit: runs it began are alive.
    Again { boot: BootNumber, last_run: u32, profiles: Profiles },
}

/// Reads the whole state, and writes once, so that success proves that writing works.
pub(crate) fn load(
    connection: &mut Connection,
    opening: Opening,
    now: Timestamp,
) -> Result<(State, BootNumber), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let fresh = counters::next_boot(&transaction)?;
    let (boot, last_run, profiles) = match opening {
        Opening::Boot(profiles) => (fresh, 0, profiles),
        Opening::Again { boot, last_run, profiles } => (boot, last_run, profiles),
    };
    let seed = Seed {
        boot: Some(boot),
        last_run,
        last_event: events::last_seq(&transaction)?,
        agents: agents::all(&transaction)?,
        tokens: tokens::all(&transaction)?,
        profiles,
        runs: runs::running(&transaction)?,
        now,
        fence_limit: counters::fence_limit(&transaction)?,
        tasks: tasks::live(&transaction)?,
        ended: tasks::ended(&transaction)?,
        task_keys: tasks::keys(&transaction)?,
        queue_rules: settings::queue_rules(&transaction)?,
        replies: replies::all(&transaction)?,
        last_lock: locks::last_id(&transaction)?,
        locks: locks::all(&transaction)?,
        talk: talk::seed(&transaction)?,
        crew: crew::seed(&transaction)?,
    };
    transaction.commit()?;
    Ok((State::rebuild(seed), boot))
}
