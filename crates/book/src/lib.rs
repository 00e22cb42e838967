//! The records and the deadlines of one run while it is active, and what one step changes of them.
//!
//! The machine decides; a [`Book`] writes down what that means: records, events, and effects, gathered in a [`Step`]. A step is
//! committed whole before any of its effects is performed, and that is the business of whoever drives the run.

mod book;
mod limits;
mod step;
mod timers;
mod veil;

pub use book::Book;
pub use step::{Effect, Prepared, Step};
pub use timers::{Timer, Timers};
pub use veil::{veiled, veiled_cause};
