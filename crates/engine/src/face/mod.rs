//! The public calls, by subject. They check, look up and hand over; what follows from a call is decided by the machine and
//! done by the driver.

mod events;
mod logs;
mod namespaces;
mod paging;
mod pipelines;
mod runs;
mod start;
mod status;
mod tasks;
mod watch;

pub(crate) use pipelines::finish_deletions;
