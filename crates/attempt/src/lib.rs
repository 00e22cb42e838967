//! One attempt of a task, followed from the intent to the empty place: start, wait, stop, the output, and the removal.
//!
//! It reports facts to who asked for it and decides nothing: neither what follows from them nor whether another attempt
//! follows. The id and the arguments of the start never change, so that an outcome that is not known is met by looking, and
//! then by asking for the very same thing again. It spawns nothing: [`Attempt::follow`] is a future of its caller.

mod attempt;
mod backoff;
mod context;
mod ending;
mod image;
mod meter;
mod parcels;
mod pump;
mod report;

pub use attempt::{Attempt, End, Known, Wish, lost};
pub use backoff::Backoff;
pub use context::{Context, Limits};
pub use parcels::{Parcels, Shelf};
pub use report::{ImageNews, Report, Reporter, Sequel};
