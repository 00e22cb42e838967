//! A scheduler that runs each task as a container of a Docker engine, from 20.10 on.
//!
//! **One container per attempt.** Its name is the attempt's id, and its labels say whose it is, what it stands for and the
//! digest of what was asked for. A name that is taken is looked at: the same digest is adopted, another is refused. A
//! container that has run is never started again.
//!
//! **The truth about the end.** The first process of each container is ours (`gofer-task-init`): it tells a signal from an
//! exit code and a program that was not there from one that ended with 127, which engines cannot, and it writes output so
//! that every byte survives the engine's own log, whose drivers cut long lines and keep back unfinished ones. An engine that
//! is down throws away what a task writes that ends meanwhile: such a log ends with a gap. An end from outside is
//! told as a signal only if the engine's events told of it as it happened, if the engine remembers both start and end, or if
//! we asked for it; else, above all after the restart of an engine that does not keep its containers alive, the task is
//! lost, with that reason.
//!
//! **One stream of events** for the whole engine, a connection for the output of each running task, and a bounded number
//! of calls. Nothing polls: when the stream breaks, it is followed anew from the engine's own clock on, and whoever waits
//! looks again.
//!
//! **Guests.** A container gets no capability but those that the operator adds, no new privileges, limits on memory,
//! processes and files, no path of the host, and never the engine's socket.
//!
//! **Files** are laid into a container that was created and has not run, where nothing of its image is overwritten, and
//! taken from one that has ended. The start of such a container is that of every other.
//!
//! **Fetched images** are the engine's; their digest is told with the start. The credentials of a registry go to the engine
//! with each fetch and are kept nowhere. An image that is there is used by every task that names it.

mod backend;
mod book;
mod client;
mod container;
mod ending;
mod error;
mod events;
mod exec;
mod fetched;
mod files;
#[cfg(feature = "harness")]
pub mod harness;
mod images;
mod init;
mod reader;
mod seen;
mod shared;
mod start;

pub use backend::DockerScheduler;
pub use gofer_container::{DEFAULT_SOCKET, DockerConfig, KIND, LEAST_LOG, Registry};
