//! The public calls, by subject. They check, look up and hand over; what follows from a call is decided by the machine and
//! done by the driver.

mod answer;
mod events;
mod explain;
mod logs;
mod namespaces;
mod objects;
mod paging;
mod parts;
mod pipelines;
mod retry;
mod runs;
mod start;
mod status;
mod tasks;
mod watch;

pub(crate) use pipelines::finish_deletions;
