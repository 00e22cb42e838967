//! What every backend and plug-in shares: one error, one clock, one way to say what it is.
//!
//! This is the vocabulary of a plug-in author. A backend depends on its trait crate, which depends on this crate, which
//! depends on `gofer-types`; nothing else of gofer is needed.

pub mod clock;
pub mod error;
pub mod info;

pub use clock::Clock;
pub use error::{BackendError, ErrorKind, Result, RetryAdvice};
pub use info::{BackendInfo, Owner};
