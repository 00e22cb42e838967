//! Wiring and lifecycle of the server: which backends there are, how they are put together, how it starts and ends.
//!
//! - [`start`] takes a configuration and answers a [`RunningServer`]; [`local`] does the same inside the program.
//! - Backends are registered in one file, `registry.rs`, one line each.
//! - [`shim_main`] is what the program must call first of all: a task's shim is this same program.
//!
//! Nothing here decides anything about runs; that is the engine's.

mod backends;
mod clock;
mod error;
mod lifecycle;
mod local;
mod logging;
mod owner;
mod port;
mod registry;
mod wiring;

pub use backends::shim_main;
pub use clock::SystemClock;
pub use error::StartError;
pub use lifecycle::{Ended, RunningServer, start};
pub use local::{LocalOptions, LocalServer, local};
pub use logging::{Logging, LoggingError, install as install_log};
pub use port::PortHolder;
pub use wiring::check;
