//! What somebody who does not ask the server changed: a person with a shell, a deploy. It is found by comparing what lies in
//! the project with what the journal says, and put on record as a commit of nobody's.

mod manifest;
mod scan;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests change what they then look for")]
mod tests;

pub(crate) use manifest::Manifest;
pub use scan::Scanned;
