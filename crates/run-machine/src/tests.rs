//! The machine against two models that know nothing of it: random graphs of one to ten thousand tasks; outcomes, retries,
//! cancels, time limits, late and repeated facts in any order; and a restart from records behind every step.
//!
//! `PROPTEST_CASES` says how many histories of small graphs are tried, and in proportion how many cases of everything else;
//! without it, as many as a build has time for. Run with `--nocapture`, each property tells how often each promise was judged.

mod bench;
mod cases;
mod causes;
mod commands;
mod graphs;
mod histories;
mod large;
mod model;
mod promises;
mod records;
mod rules;
mod story;
