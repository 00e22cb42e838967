//! What a backend says about itself, and whose things are whose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a backend says about itself, for `gofer backend list` and for error messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendInfo {
    /// The kind, such as `process` or `redb`.
    pub kind: &'static str,
    /// The name of the configured instance, such as `cluster`.
    pub name: String,
    /// What it is connected to, for people: a path, an address, a version. Never a credential.
    pub target: String,
}

/// The mark on everything that one gofer installation owns in a shared backend.
///
/// Two installations that share an engine tell their things apart by it; nothing without it is ever touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
