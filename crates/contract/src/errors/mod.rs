//! What a caller is told when a call fails: one table from errors to codes, hints and next commands.
//!
//! Each refusal is a [`Problem`](problem::Problem): a gRPC code for programs, a gofer code with a page in `docs/errors`
//! for people, a hint and the commands that may help. The whole table is a snapshot. What a backend says about *our*
//! credentials is the operator's problem and is never shown as the caller's.

mod backend;
pub mod codes;
mod engine;
mod given;
mod objects;
pub(crate) mod problem;
mod wire;

/// Where the pages of the codes are published.
pub const DOCS: &str = "https://docs.gofer.example/errors/";
/// The domain of our codes in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "gofer";
