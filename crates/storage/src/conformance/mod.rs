//! The suite that every storage passes: one case a promise, named by a sentence.
//!
//! A backend supplies a [`Harness`], which opens its storage as a freshly started server would, and calls [`main`] from a test
//! binary without a harness of its own. The list of cases belongs to the suite; a case that the backend cannot have is
//! ignored with the reason, never passed.
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     gofer_storage::conformance::main(MyHarness)
//! }
//! ```

mod commits;
mod concurrency;
mod durability;
mod expect;
mod harness;
mod life;
mod limits;
mod process;
mod reads;
mod runner;
mod scans;
mod watches;

pub use expect::{Failure, Outcome};
pub use harness::{Harness, MakeRoom, World};
pub use runner::{Case, cases, main};
