//! The client against servers that answer by a script, badly, or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod calling;
mod connecting;
mod fake;
mod objects;
