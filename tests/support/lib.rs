//! A real server on a real directory, and agents that call it over a real socket.
//!
//! Each test has a directory, a process and a port of its own. The compiled form of the guests is shared by
//! all, as it would be on one machine.

mod agent;
mod log;
mod program;
mod server;
mod tree;

pub use agent::{Agent, Answer};
pub use program::{compile_cache, guests, longhouse, native, serve_without_tools};
pub use server::{Builder, TestServer};
pub use tree::write_tree;

/// The bytes that `text` encodes.
///
/// # Panics
/// When it is no base64.
pub fn decode_base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// What a run wrote to a stream, text or not.
///
/// # Panics
/// When this is no answer about a run.
pub fn written(run: &serde_json::Value, stream: &str) -> Vec<u8> {
    use serde_json::Value;
    let chunks = run["output"].as_array().expect("a list").iter().filter(|chunk| chunk["stream"] == stream);
    chunks
        .flat_map(|chunk| match (&chunk["text"], &chunk["base64"]) {
            (Value::String(text), _) => text.as_bytes().to_vec(),
            (_, Value::String(text)) => decode_base64(text),
            _ => panic!("{chunk}"),
        })
        .collect()
}
