//! How much one caller, one connection and all of them together may use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::Clock;
use gofer_pipeline::Supported;

/// The limits of the server. The defaults are those of the documented limits table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request, in bytes.
    pub message_in: usize,
    /// The largest response, in bytes.
    pub message_out: usize,
    /// The largest set of headers of a request, in bytes.
    pub headers: u32,
    /// How many connections there may be.
    pub connections: usize,
    /// How many of them one address may hold; the in-process transport has no address.
    pub connections_per_address: usize,
    /// How many calls may be open on one connection.
    pub streams_per_connection: u32,
    /// How long a connection may take to say its first word.
    pub first_byte: Duration,
    /// How long a call may take until its answer begins. A stream goes on after that.
    pub request: Duration,
    /// How long a silent connection is left before it is asked whether it is still there.
    pub keepalive: Duration,
    /// How long it may take to answer that.
    pub keepalive_timeout: Duration,
    /// How long open calls may go on once the server is told to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_in: 4 << 20,
            message_out: 16 << 20,
            headers: 16 << 10,
            connections: 12_000,
            connections_per_address: 200,
            streams_per_connection: 100,
            first_byte: Duration::from_secs(10),
            request: Duration::from_secs(30),
            keepalive: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// What the server is told besides the engine.
#[derive(Clone)]
pub struct ServeOptions {
    /// The limits.
    pub limits: Limits,
    /// The version of gofer, for `GetInfo`.
    pub version: String,
    /// Where the data are, for people.
    pub data_dir: String,
    /// The wall time, for `GetInfo`.
    pub clock: Arc<dyn Clock>,
    /// What the server can do beyond the core of the pipeline language: for `ValidatePipeline`.
    pub supported: Supported,
    /// How large a pipeline may be.
    pub pipeline_limits: gofer_pipeline::Limits,
    /// Whether tools may ask what the API looks like. Within a process everybody knows.
    pub reflection: bool,
}

impl ServeOptions {
    /// Options with the default limits.
    #[must_use]
    pub fn new(version: impl Into<String>, data_dir: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits: Limits::default(),
            version: version.into(),
            data_dir: data_dir.into(),
            clock,
            supported: Supported::default(),
            pipeline_limits: gofer_pipeline::Limits::default(),
            reflection: true,
        }
    }
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("limits", &self.limits)
            .field("version", &self.version)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}
