//! Artefacts against real directories: what goes round, what is refused, and what a racing task can do.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod hostile;
mod mutated;
mod race;
mod raw;
mod roundtrip;
mod workdir;
mod world;
