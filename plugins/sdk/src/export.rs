//! From the functions of a component to the methods of a policy.

use std::sync::OnceLock;

use crate::Policy;

/// A component's policy, once it is configured.
#[doc(hidden)]
pub struct Slot<P>(OnceLock<P>);

impl<P: Policy> Slot<P> {
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// # Errors
    /// What is wrong with the configuration.
    pub fn configure(&self, config: &str) -> Result<(), String> {
        std::panic::set_hook(Box::new(|panic| print(&panic.to_string())));
        let policy: P = serde_json::from_str(config).map_err(|error| error.to_string())?;
        policy.check()?;
        self.0.set(policy).map_err(|_| "it is configured already".to_owned())
    }

    /// # Panics
    /// When it was not configured before.
    pub fn policy(&self) -> &P {
        self.0.get().expect("`configure` comes first")
    }
}

impl<P: Policy> Default for Slot<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints to the host's console; to standard error where there is none.
pub(crate) fn print(text: &str) {
    if cfg!(target_family = "wasm") {
        crate::console::print(text);
    } else {
        eprintln!("{text}");
    }
}

/// Makes the crate a component that is a [`Ranker`](crate::Ranker).
#[macro_export]
macro_rules! ranker {
    ($policy:ty) => {
        $crate::component!("ranker", $policy, [ranking], false);
    };
}

/// Makes the crate a component that is a [`Scheduler`](crate::Scheduler).
#[macro_export]
macro_rules! scheduler {
    ($policy:ty) => {
        $crate::component!("scheduler", $policy, [ranking selection], <$policy as $crate::Scheduler>::WANTS_NEAR);
    };
}

/// Makes the crate a component that is a [`Conflict`](crate::Conflict) policy.
#[macro_export]
macro_rules! conflict {
    ($policy:ty) => {
        $crate::component!("conflict", $policy, [locking], false);
    };
}

/// Makes the crate a component that is an [`Admission`](crate::Admission) policy.
#[macro_export]
macro_rules! admission {
    ($policy:ty) => {
        $crate::component!("admission", $policy, [review], false);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! component {
    ($world:literal, $policy:ty, [$($interface:ident)+], $wants_near:expr) => {
        const _: $crate::Slot<$policy> = $crate::Slot::new();

        // Elsewhere it is a type for tests, and its exports have names that native linkers do not take.
        #[cfg(target_family = "wasm")]
        const _: () = {
            mod world {
                $crate::world!($world);
            }

            struct Component;

            static POLICY: $crate::Slot<$policy> = $crate::Slot::new();

            impl world::exports::longhouse::policy::lifecycle::Guest for Component {
                fn describe() -> $crate::Description {
                    let name = env!("CARGO_PKG_NAME");
                    $crate::Description {
                        name: name.strip_prefix("policy-").unwrap_or(name).to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                        summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
                        wants_near: $wants_near,
                    }
                }

                fn configure(config: String) -> Result<(), String> {
                    POLICY.configure(&config)
                }
            }

            $($crate::interface!($interface);)+

            world::export!(Component with_types_in world);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! interface {
    (ranking) => {
        impl world::exports::longhouse::policy::ranking::Guest for Component {
            fn rank(tasks: Vec<$crate::TaskFacts>, now_ms: u64) -> Vec<$crate::Place> {
                tasks.iter().map(|task| $crate::Ranker::rank(POLICY.policy(), task, now_ms)).collect()
            }
        }
    };
    (selection) => {
        impl world::exports::longhouse::policy::selection::Guest for Component {
            fn select(
                window: Vec<$crate::Candidate>,
                groups: Vec<$crate::GroupFacts>,
                agent: $crate::AgentFacts,
                want: u32,
                now_ms: u64,
                seed: u64,
            ) -> Vec<$crate::Pick> {
                let claim = $crate::Claim { window, groups, agent, want, now_ms, seed };
                $crate::Scheduler::select(POLICY.policy(), &claim)
            }
        }
    };
    (locking) => {
        impl world::exports::longhouse::policy::locking::Guest for Component {
            fn decide(request: $crate::LockRequest, held: Vec<$crate::LockFacts>) -> $crate::Verdict {
                $crate::Conflict::decide(POLICY.policy(), &request, &held)
            }

            fn overlap(task: $crate::TaskFacts, running: Vec<$crate::TaskFacts>) -> bool {
                $crate::Conflict::overlap(POLICY.policy(), &task, &running)
            }
        }
    };
    (review) => {
        impl world::exports::longhouse::policy::review::Guest for Component {
            fn review(run: $crate::RunRequest, agent: $crate::AgentFacts) -> $crate::Admit {
                $crate::Admission::review(POLICY.policy(), &run, &agent)
            }
        }
    };
}
