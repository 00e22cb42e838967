//! What the built binary does when what it stands on is damaged: its files, the wall clock, its container engine.
//!
//! `gofer-damage [SCENARIO..]` runs the scenarios and ends with one table of what was counted. They are run on the built
//! binary (`GOFER_TEST_BIN` names another one) and judged by what the suite itself knows: which runs were acknowledged, which
//! ends were seen, which lines a task prints, what the tasks left in files and what the engine of containers tells.
//!
//! - [`tails`]: the end of every file cut off or garbled.
//! - [`flips`]: single bits flipped anywhere.
//! - [`state`]: single bits of the state flipped, under the storage alone.
//! - [`clock`]: the wall clock jumps under a running server.
//! - [`docker`]: the engine of containers is killed.
//! - [`recovery`]: ten thousand unfinished runs, and one damaged record among them.
//!
//! # How damage is judged
//!
//! A server on a damaged directory *serves* or *refuses*. It refuses with an exit code below 100 and a line
//! `error[E....]` on stderr. It must never panic, hang, end by a signal or answer `E0901` (a defect).
//!
//! A server that serves tells of every run that was acknowledged the truth, or says by name that it cannot: `E0510` (the run
//! was set aside) or `E0910` (a record or an output is damaged). The truth is:
//!
//! - an end that was seen before the crash is the end that is told;
//! - a run whose end was not seen goes on to the end that its tasks deserve, or is `errored`, since its processes went down
//!   with their host;
//! - the output of an ended run is there line by line, in order, or a gap or an error stands where something is missing. The
//!   output of a task that went down with its host may stop early: neither the log store nor a shim syncs an open log
//!   (`crates/logs`, "What a crash may cost");
//! - an object has the bytes that were put, or is damaged by name.
//!
//! What may be lost without being named is only what was not synced, and one thing that is decided (ADR 0002): with one sync
//! for each commit, damage in the newest group of a server that was killed under load looks like a torn write, and that group
//! is dropped. So on a directory of that kind, and only there, facts that are younger than [`past::YOUNG`] may be missing.
#![expect(clippy::expect_used, reason = "a failed helper is a failed scenario, and says why")]

pub mod blow;
pub mod clock;
pub mod docker;
pub mod findings;
pub mod flips;
pub mod folder;
pub mod judge;
pub mod output;
pub mod past;
pub mod pipelines;
pub mod recovery;
pub mod report;
pub mod scenario;
pub mod state;
pub mod tails;
pub mod terms;
pub mod trial;
pub mod wall;
pub mod workers;

pub use findings::Findings;
pub use scenario::{SCENARIOS, Scenario, Verdict};
pub use terms::Terms;
