//! What `wit/` says, for the host.

#![allow(missing_docs, clippy::indexing_slicing, reason = "generated; wit/ has the documentation")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "sdk",
    additional_derives: [PartialEq, Eq],
});

/// One module for each world; all share the records of the first.
macro_rules! world {
    ($module:ident, $world:literal) => {
        pub(super) mod $module {
            wasmtime::component::bindgen!({
                path: "../../wit",
                world: $world,
                with: {
                    "longhouse:policy/types": crate::policy::bindings::longhouse::policy::types,
                    "longhouse:policy/console": crate::policy::bindings::longhouse::policy::console,
                },
            });
        }
    };
}

world!(ranker, "ranker");
world!(scheduler, "scheduler");
world!(conflict, "conflict");
world!(admission, "admission");
