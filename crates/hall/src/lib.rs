//! Where runs and tasks wait: the queue with the runs behind its entries, and how each of them is reached.
//!
//! A [`Hall`] says who may run, and wakes whoever was let in. Each run has a [`RunHandle`] in it: the way to its driver, and what
//! others may know of it. [`StartTicket`] is the right to start a run and [`KeyTurn`] the turn of an idempotency key; both end with
//! their guard.
//!
//! Who is next is decided by `gofer_queue`. All of it is rebuilt from records, decides nothing that a record does not tell, and is
//! held under one short lock, never across I/O.

mod hall;
mod message;
mod seat;
mod ticket;

pub use hall::{Admission, Hall, Slot, item};
pub use message::Message;
pub use seat::{Complete, Granted, MAILBOX, RunHandle};
pub use ticket::{KeyTurn, Start, StartTicket};
