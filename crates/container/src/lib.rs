//! What a container tells that runs under our own first process: its output, places in that, and how it ended.
//!
//! All of it is pure. Who asks an engine, and how, is the business of the schedulers.

mod cursor;
mod end;
mod frame;

pub use cursor::{Place, Step, Way};
pub use end::{Facts, Sight, cause, needs_record};
pub use frame::{Frame, bare, stamped, time, written};
