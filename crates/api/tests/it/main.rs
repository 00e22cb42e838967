//! The whole way of a call: client, transport, service, engine; on a storage and a scheduler in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod calls;
mod limits;
mod objects;
mod refusals;
mod serving;
mod streams;
mod world;
