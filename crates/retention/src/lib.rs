//! What is kept of a pipeline's history, and what is beyond the operator's bounds.
//!
//! [`Retention`] is what the operator wants. A [`Look`] goes a bounded number of steps through the runs of a pipeline, from the
//! oldest on and past those that are still under way, adds up what their output takes, and says what is to be deleted.
//! [`Household`] remembers how far it came, and which pipelines are to be looked at.
//!
//! It deletes nothing, writes nothing and starts nothing.

mod household;
mod keep;
mod look;
mod sum;
mod walk;

pub use household::Household;
pub use keep::{Keep, Retention};
pub use look::{Found, Look};

#[cfg(test)]
mod tests;
