//! The whole server in one thread under a virtual clock, with everything around it failing by seed.
//!
//! - [`plan`]: what happens in a history, as data, drawn from a seed or read from a file;
//! - [`world`]: the disks, the scheduler, the clock, and the processes that live and die among them;
//! - [`clients`]: what people's programs do, through the API;
//! - [`court`]: what is on disk, what really ran, what was promised, and the laws between them;
//! - [`play`]: one history from its beginning to the verdict.
//!
//! A seed replays byte for byte: one thread, virtual time, and random bytes that come from the seed (`gofer-tests-chance`).

pub mod chance;
pub mod child;
pub mod clients;
pub mod court;
pub mod minimise;
mod objects;
pub mod plan;
pub mod play;
pub mod report;
pub mod world;
