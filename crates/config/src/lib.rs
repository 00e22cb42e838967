//! The server's configuration: load, merge, explain.
//!
//! Four layers, lowest first: defaults, the file, the environment (`GOFER_SECTION__KEY`), overrides from the command
//! line (`section.key=value`). Every value keeps its [`Origin`]. [`plan`] checks everything with no I/O and answers all
//! complaints at once, each with its place; nothing is opened, bound or created here.
//!
//! A backend family (`[storage]`, `[scheduler]`, `[objects]`) is a section whose tables are named [`Instance`]s. What is in such a
//! table belongs to the backend: it stays raw here, and [`Instance::settings`] reads it into the backend's own struct,
//! which must `deny_unknown_fields`.

mod complaint;
mod config;
mod document;
mod instance;
mod keys;
mod known;
mod layer;
mod overrides;
mod plan;
mod reader;
mod show;
mod source;

pub use complaint::{Complaint, Origin, code};
pub use config::{Config, Limits, Log, LogFormat, LogLevel, Logs, Retention, Server};
pub use instance::{Family, Instance};
pub use keys::{Key, Kind, keys};
pub use plan::{Plan, plan};
pub use show::Shown;
pub use source::Sources;
