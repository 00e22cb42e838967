//! The queue: which run may run next, and which task gets a slot next.
//!
//! Runs arrive, are let in and end; tasks of the runs that run ask for slots and give them back. The queue counts both
//! against the [`Limits`], keeps those in line that must wait, and says at any time why and at which place one waits.
//! No clock, no I/O, no locks: whoever owns a [`Queue`] guards it and hands the time in, and the same calls give the same
//! answers. It must not know storage, schedulers or records; after a restart it is told what the records say.
//!
//! # The order
//!
//! Three rules say who is next, from the outside to the inside.
//!
//! - Between namespaces: a weighted fair order. Each namespace has a virtual time. A start costs it `2520 / weight`, and the
//!   smallest virtual time goes next. Who had nothing that could start comes in at the present virtual time, so that
//!   nothing is saved up by idling. Among `n` namespaces that wait for the same room, each gets its first start within
//!   `10 * n` starts, because weights go from 1 to 10. Slots have virtual times of their own.
//! - Within a namespace: runs go by *when they were asked for, less their priority times the ageing*, then as they arrived.
//!   One level of priority is thus worth one `ageing` of waiting, no more. Nobody waits for ever behind higher
//!   priorities: whoever is asked for more than `20 * ageing` later comes behind, whatever its priority. Tasks go in the
//!   order in which they asked.
//! - Within a pipeline: the same order as in its namespace, and strictly so. Nobody overtakes an earlier run of the same
//!   pipeline and priority, be its own parallelism greater or none.
//!
//! A pipeline or a namespace that is at its own limit stands aside; it holds nobody else up.
//!
//! # The cost
//!
//! Each call costs the logarithm of how many wait, for each run or task that it moves. Only [`Queue::held`] and
//! [`Queue::slots_held`] walk along a line, because they tell a place. Where priorities mix in one pipeline, an arrival
//! looks at no more runs in front of it than its parallelism.

mod fair;
mod hold;
mod item;
mod limits;
mod line;
mod place;
mod queue;
mod rate;
mod runs;
mod slots;
pub use hold::{Hold, Limit};
pub use item::{Arrival, Item, Phase, Priority, Refused, Slot, SlotId};
pub use limits::{Bounds, Limits, NamespaceLimits, ValueError, Weight};
pub use queue::{Counts, Queue};
pub use rate::Rate;

#[cfg(test)]
mod tests;
