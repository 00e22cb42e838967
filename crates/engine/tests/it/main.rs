//! The engine over a storage and a scheduler in memory, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests: a failed step is a failed test"
)]

mod admin;
mod artefacts;
mod contract;
mod crashes;
mod explaining;
mod fan_out;
mod faults;
mod gates;
mod images;
mod life;
mod limits;
mod objects;
mod queueing;
mod readers;
mod retention;
mod retries;
mod support;
