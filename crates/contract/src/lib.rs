//! What the engine's answers and refusals look like in the public contract.
//!
//! - [`convert`] makes messages of records: what a run, a task run or an event is called and which fields it has.
//! - A [`Problem`] is a refusal with everything that helps: a gRPC code for programs, one of our [`codes`] with a page in
//!   `docs/errors` for people, a hint, the commands that may help. One table makes it of every error of the engine, and
//!   it becomes a gRPC status with the standard details.
//!
//! Whoever serves the contract uses these, so that a thing looks the same wherever it is asked for. This crate asks the
//! engine for nothing, checks no request, opens no connection and has no runtime of its own.

mod errors;

/// Records to messages. Nothing here can fail and nothing here asks the engine.
///
/// The way back, from the fields of a request to checked values, belongs to who reads the request; the exception is
/// [`from_timestamp`](convert::from_timestamp), which is kept beside its counterpart.
pub mod convert {
    mod cause;
    mod event;
    mod explain;
    mod log;
    mod object;
    mod pipeline;
    mod run;
    mod system;
    mod time;

    pub use event::event;
    pub use explain::explained;
    pub use log::log_page;
    pub use object::{object, object_usage, objects};
    pub use pipeline::{diagnostic, namespace, pipeline, version};
    pub use run::{Executed, attempt, image, run, run_state, task_run};
    pub use system::status;
    pub use time::{duration, from_timestamp, timestamp};
}

pub use errors::codes;
pub use errors::problem::{Problem, Violation};
pub use errors::{DOCS, DOMAIN};
