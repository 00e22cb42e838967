//! What a container tells that runs under our own first process: its output, places in that, and how it ended; whose it is
//! by its labels, and what engines say about its image. And what an operator may set for all of them.
//!
//! All of it is pure. Who asks an engine, and how, is the business of the schedulers.

mod config;
mod cursor;
mod end;
mod frame;
pub mod labels;
mod words;

pub use config::{DEFAULT_SOCKET, DockerConfig, KIND, LEAST_LOG, LEAST_MEMORY, Registry};
pub use cursor::{Place, Step, Way};
pub use end::{Facts, Sight, cause, needs_record};
pub use frame::{Frame, bare, stamped, time, written};
pub use words::failed_fetch;
