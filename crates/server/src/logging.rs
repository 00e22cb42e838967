//! Where the server's own log goes. Set up once, by the program's main function.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How the server's own log is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logging {
    /// The filter, such as `info` or `gofer_engine=debug,warn`; empty means `info`.
    pub filter: String,
    /// Whether each line is a JSON object.
    pub json: bool,
    /// The file that it is appended to; `None` means standard error.
    pub file: Option<PathBuf>,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("{filter:?} is not a log filter; examples: `info`, `debug`, `gofer_engine=debug,warn`")]
    Filter {
        /// As it was given.
        filter: String,
    },
    /// The file cannot be written.
    #[error("the log file {} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// Starts writing the log. A second call has no effect: the first choice stays for the life of the process.
pub fn install(logging: &Logging) -> Result<(), LoggingError> {
    let filter = if logging.filter.is_empty() { "info" } else { &logging.filter };
    let filter =
        EnvFilter::try_new(filter).map_err(|_| LoggingError::Filter { filter: logging.filter.clone() })?;
    let writer = match &logging.file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => BoxMakeWriter::new(std::sync::Mutex::new(open(path)?)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    // The only failure is that a log is set up already.
    let _ = if logging.json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}

fn open(path: &PathBuf) -> Result<std::fs::File, LoggingError> {
    let options = std::fs::OpenOptions::new().create(true).append(true).open(path);
    options.map_err(|cause| LoggingError::File { path: path.clone(), cause })
}
