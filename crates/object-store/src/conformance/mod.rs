//! The suite that every object store passes: one case a promise, named by a sentence.
//!
//! A backend supplies a [`Harness`], which opens its object store as a freshly started server would, and calls [`main`] from a
//! test binary without a harness of its own. The list of cases belongs to the suite; a case that the backend cannot have
//! is ignored with the reason, never passed.
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     gofer_object_store::conformance::main(MyHarness)
//! }
//! ```

mod durability;
mod expect;
mod gets;
mod harness;
mod keys;
mod life;
mod limits;
mod lists;
mod process;
mod puts;
mod races;
mod runner;

pub use expect::{Failure, Outcome};
pub use harness::{Harness, MakeRoom, World};
pub use runner::{Case, cases, main};
