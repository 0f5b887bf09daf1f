//! A policy that is always ready: an instance that is replaced before it is old, and when it failed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use longhouse_core::{Choosing, PolicyVersion, Task, Timestamp};

use super::trial::{self, trial};
use super::types::Description;
use super::{Fault, PolicyCode, PolicyError, PolicyInstance, facts};

/// After how many calls an instance is replaced by a fresh one: what a policy keeps in its memory though it must not is
/// forgotten then.
const CALLS: u32 = 1_024;

/// A version of a policy, with an instance at hand. Fresh ones are set up on a thread of their own, so that nobody waits
/// for them.
#[derive(Debug)]
pub struct WarmPolicy {
    choosing: Choosing,
    description: Description,
    code: PolicyCode,
    config: Arc<str>,
    version: PolicyVersion,
    current: Option<PolicyInstance>,
    calls: u32,
    coming: Option<Receiver<Result<PolicyInstance, PolicyError>>>,
}

impl WarmPolicy {
    /// Sets it up.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn new(code: PolicyCode, config: &str) -> Result<Self, PolicyError> {
        let current = code.set_up(config)?;
        let choosing = match current.selects() {
            true => Choosing::Yes { wants_near: current.description().wants_near },
            false => Choosing::No,
        };
        let (version, description) = (code.version(config), current.description().clone());
        let current = Some(current);
        Ok(Self {
            choosing,
            description,
            code,
            config: config.into(),
            version,
            current,
            calls: 0,
            coming: None,
        })
    }

    /// Its version.
    pub const fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// What it does besides ranking, if it is a scheduler.
    pub const fn choosing(&self) -> Choosing {
        self.choosing
    }

    /// What it says of itself.
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it answers the same calls in different ways: asked twice, and asked by a fresh instance.
    ///
    /// # Errors
    /// When it fails.
    pub fn differs_from_itself(&self) -> Result<bool, PolicyError> {
        let world = self.code.world();
        let (mut one, mut other) = (self.code.set_up(&self.config)?, self.code.set_up(&self.config)?);
        let first = trial(&mut one, world).map_err(PolicyError::Tried)?;
        let again = trial(&mut one, world).map_err(PolicyError::Tried)?;
        let fresh = trial(&mut other, world).map_err(PolicyError::Tried)?;
        Ok(first != again || first != fresh)
    }

    /// Has a scheduler rank these tasks and choose among some of them, to no effect: what it printed.
    ///
    /// # Errors
    /// What it does wrong.
    pub fn try_on(&mut self, tasks: &[&Task], now: Timestamp) -> Result<String, PolicyError> {
        let tasks: Vec<_> = tasks.iter().map(|task| facts::task(task)).collect();
        let (printed, _) = self.ask_patiently(|policy| trial::about(policy, &tasks, now.as_millis()));
        printed.map_err(PolicyError::Tried)
    }

    /// Its code.
    pub const fn code(&self) -> &PolicyCode {
        &self.code
    }

    /// Gives up its instance until it is asked again.
    pub fn cool(&mut self) {
        (self.current, self.coming) = (None, None);
    }

    /// Has it decide. `None` while an instance that failed is being replaced.
    ///
    /// # Errors
    /// What it does wrong, or a fresh one while it is set up.
    pub fn ask<T>(
        &mut self,
        call: impl FnOnce(&mut PolicyInstance) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        if let Err(fault) = self.renew() {
            return Some(Err(fault));
        }
        let current = self.current.as_mut()?;
        self.calls += 1;
        let answer = call(current);
        if answer.is_err() {
            self.current = None;
        }
        Some(answer)
    }

    /// The same for somebody who waits for as long as it takes to set up a fresh instance; with what it printed.
    ///
    /// # Errors
    /// What it does wrong.
    pub fn ask_patiently<T>(
        &mut self,
        call: impl FnOnce(&mut PolicyInstance) -> Result<T, Fault>,
    ) -> (Result<T, Fault>, String) {
        let mut current = match self.current.take().filter(|_| self.calls < CALLS) {
            Some(current) => current,
            None => match self.code.set_up(&self.config) {
                Ok(fresh) => {
                    self.calls = 0;
                    fresh
                }
                Err(error) => return (Err(Fault::Trapped(error.to_string())), String::new()),
            },
        };
        self.calls += 1;
        let answer = call(&mut current);
        let printed = current.printed();
        self.current = answer.is_ok().then_some(current);
        (answer, printed)
    }

    /// Takes a fresh instance if it has come, and sends for one if it will be needed.
    fn renew(&mut self) -> Result<(), Fault> {
        if let Some(coming) = &self.coming {
            match coming.try_recv() {
                Ok(Ok(fresh)) => {
                    (self.current, self.calls, self.coming) = (Some(fresh), 0, None);
                }
                Ok(Err(error)) => {
                    self.coming = None;
                    return Err(Fault::Trapped(error.to_string()));
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.coming = None,
            }
        }
        if self.coming.is_none() && (self.current.is_none() || self.calls >= CALLS) {
            self.send_for_one();
        }
        Ok(())
    }

    fn send_for_one(&mut self) {
        let (sender, receiver) = sync_channel(1);
        let (code, config) = (self.code.clone(), Arc::clone(&self.config));
        let set_up = move || {
            // Whoever wanted it may be gone.
            let _ = sender.send(code.set_up(&config));
        };
        match std::thread::Builder::new().name("policy-set-up".to_owned()).spawn(set_up) {
            Ok(_) => self.coming = Some(receiver),
            Err(error) => tracing::warn!(error = %error, "no thread to set up a policy on"),
        }
    }
}
