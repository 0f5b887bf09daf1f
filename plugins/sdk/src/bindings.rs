//! What `wit/` says, in Rust.

#![allow(missing_docs, reason = "generated; wit/ has the documentation")]

include!(concat!(env!("OUT_DIR"), "/world.rs"));
