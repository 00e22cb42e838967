//! The language as a whole: what it accepts, what it says about what it refuses, and what it promises for any input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod accepted;
mod codes;
mod common;
mod limits;
mod problems;
mod properties;
mod running;
