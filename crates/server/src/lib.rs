//! Wiring and lifecycle of the server: which backends there are, how they are put together, how it starts and ends.
//!
//! - [`start`] takes a configuration and answers a [`RunningServer`]; [`local`] does the same inside the program.
//! - Backends are registered in one file, `registry.rs`, one line each.
//! - [`check_backend`] runs the suite of a trait against a configured backend; [`docker_answers`] looks for an engine.
//! - [`shim_main`] is what the program must call first of all: a task's shim is this same program.
//!
//! Nothing here decides anything about runs; that is the engine's.

mod backends;
mod check;
mod clock;
mod docker;
mod error;
mod lifecycle;
mod local;
mod logging;
mod owner;
mod port;
mod registry;
mod wiring;

pub use backends::shim_main;
pub use check::{CheckError, CheckOptions, check_backend};
pub use clock::SystemClock;
pub use docker::{DockerEngine, NoDocker, docker_answers};
pub use error::StartError;
pub use gofer_scheduler::conformance::Outcome;
pub use lifecycle::{Ended, RunningServer, start};
pub use local::{LocalOptions, LocalServer, local};
pub use logging::{Logging, LoggingError, install as install_log};
pub use port::PortHolder;
pub use registry::has_scheduler;
pub use wiring::{check, supported};
