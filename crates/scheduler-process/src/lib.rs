//! A scheduler that runs each task as a process of this host, so that gofer works with nothing else installed.
//!
//! **Unsandboxed.** A task has the rights of the server. Images are ignored, and said to be; limits on processor time and
//! other users are refused by name; a limit on memory holds for each process of the task by itself (`RLIMIT_DATA`).
//!
//! **One shim per task.** The server makes a folder for the attempt and starts this same program anew as the [`shim`] of the
//! task, which outlives the server: it starts the task in a session and process group of its own, with exactly the
//! environment that was given and a `PATH`, keeps its output and its end on the disk, and listens at a socket in the
//! folder. Nothing polls: a server reads the files and is woken by the shim. Where a service manager stops gofer, it must
//! leave the other processes of the service alone (systemd: `KillMode=process`).
//!
//! **Started once.** A shim claims its task by renaming its socket to a name that can be taken once. However often a server
//! dies, at whatever moment, and however many start the same attempt: one shim has it. The loss of power is another matter:
//! see [`ProcessConfig::sync_starts`].
//!
//! **Files** lie in the work directory, whole, before a task starts. In an absolute one nothing is laid: it is the host's.
//!
//! **The end.** A task has ended when its main process has; what is left of its processes is killed then, also where it has
//! detached itself. A shim that is killed is noticed: its task is lost, and what is left of its session is killed.
//!
//! **Removed is removed.** The last 20,000 removed ids are remembered and cannot be started again; an older one could.
//!
//! Linux only (5.3 or newer). The main function of a program that uses this must begin with
//! [`shim::main_if_shim`].

mod attempts;
mod backend;
mod config;
mod error;
mod files;
mod frame;
#[cfg(feature = "harness")]
pub mod harness;
mod host;
mod launch;
mod live;
mod protocol;
mod reader;
mod shared;
pub mod shim;
mod start;

pub use backend::ProcessScheduler;
pub use config::{ProcessConfig, ShimCommand};
