//! The engine over a storage and a scheduler in memory, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests: a failed step is a failed test"
)]

mod admin;
mod crashes;
mod faults;
mod images;
mod life;
mod limits;
mod readers;
mod support;
