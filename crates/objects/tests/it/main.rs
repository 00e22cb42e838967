//! Objects over the fake and over files: what the crate promises, each as a test.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod end;
mod puts;
mod quota;
mod ring;
mod scopes;
mod support;
