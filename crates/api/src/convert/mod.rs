//! Records to messages. Nothing here can fail and nothing here asks the engine.
//!
//! The way back, from messages to checked values, is [`crate::fields`].

mod cause;
mod event;
mod log;
mod pipeline;
mod run;
mod system;
mod time;

pub(crate) use event::event;
pub(crate) use log::log_page;
pub(crate) use pipeline::{diagnostic, namespace, pipeline, version};
pub(crate) use run::{attempt, image, run, run_state, task_run};
pub(crate) use system::status;
pub(crate) use time::{duration, from_timestamp, timestamp};
