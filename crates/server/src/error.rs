//! Why a server did not start: each with its code, what is the case, and what to do about it.
//!
//! A wrong configuration and a busy address are answered before anything is changed. The others may leave a new data
//! directory, a new storage or a new ownership epoch behind, and nothing of what was stored is lost.

use std::net::SocketAddr;
use std::path::PathBuf;

use gofer_backend::{BackendError, ErrorKind};
use gofer_config::Complaint;
use gofer_engine::EngineError;

use crate::port::PortHolder;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be built. All complaints at once.
    #[error("the configuration has {} problem(s)", .0.len())]
    Config(Vec<Complaint>),
    /// Somebody listens there already.
    #[error("the address {address} is in use{}", holder_text(holder.as_ref()))]
    PortBusy {
        /// The address.
        address: SocketAddr,
        /// Who listens, as far as we may see.
        holder: Option<PortHolder>,
        /// A port of the same address that is free now.
        free: Option<u16>,
    },
    /// The address cannot be listened on for another reason.
    #[error("the address {address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The data directory cannot be made or used.
    #[error("the data directory {} cannot be used", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A backend cannot be opened.
    #[error("the {family} `{name}` cannot be opened")]
    Backend {
        /// The family, such as `storage`.
        family: &'static str,
        /// The name of the instance.
        name: String,
        /// Why.
        #[source]
        cause: BackendError,
    },
    /// The log store cannot be opened.
    #[error("the log store cannot be opened")]
    Logs(#[source] gofer_logs::LogError),
    /// The stored state cannot be taken up.
    #[error("the stored state cannot be taken up")]
    Engine(#[source] EngineError),
    /// The server could not begin to serve.
    #[error("the server could not begin to serve")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn holder_text(holder: Option<&PortHolder>) -> String {
    holder.map_or_else(String::new, |PortHolder { pid, program }| format!(" by `{program}` (process {pid})"))
}

impl StartError {
    /// The code; its page is `docs/errors/CODE.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(complaints) => complaints.first().map_or("E0804", |complaint| complaint.code),
            Self::PortBusy { .. } => "E0820",
            Self::Listen { .. } => "E0821",
            Self::DataDir { .. } => "E0822",
            Self::Backend { cause, .. } | Self::Engine(EngineError::Storage(cause)) => backend_code(cause),
            Self::Logs(_) => "E0822",
            Self::Engine(_) | Self::Serve(_) => "E0826",
        }
    }

    /// What to do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PortBusy { address, free, .. } => Some(match free {
                Some(port) => {
                    format!("stop that process, or listen elsewhere: `--listen {}:{port}`", address.ip())
                }
                None => "stop that process, or listen elsewhere with `--listen`".to_owned(),
            }),
            Self::DataDir { .. } | Self::Logs(_) => {
                Some("make the directory writable for this user, or choose another with `--data`".to_owned())
            }
            Self::Backend { cause, .. } | Self::Engine(EngineError::Storage(cause)) => backend_hint(cause),
            Self::Config(_) | Self::Listen { .. } | Self::Engine(_) | Self::Serve(_) => None,
        }
    }

    /// The whole chain of causes, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

/// A storage that is of another format or kind says what it found and what it supports; one that is in use does not.
fn of_another_format(cause: &BackendError) -> bool {
    cause.facts().iter().any(|(name, _)| *name == "supported")
}

fn backend_code(cause: &BackendError) -> &'static str {
    match cause.kind() {
        ErrorKind::Conflict if of_another_format(cause) => "E0824",
        ErrorKind::Conflict => "E0823",
        ErrorKind::Exhausted => "E0825",
        ErrorKind::PermissionDenied => "E0822",
        _ => "E0826",
    }
}

fn backend_hint(cause: &BackendError) -> Option<String> {
    let hint = match cause.kind() {
        ErrorKind::Conflict if of_another_format(cause) => {
            "use the gofer that wrote this data directory or a newer one, or another directory; nothing was changed"
        }
        ErrorKind::Conflict => {
            "another server uses this data directory: stop it, or choose another with `--data`"
        }
        ErrorKind::Exhausted => "make room on that disk and start again; nothing was lost",
        ErrorKind::PermissionDenied => {
            "make the directory writable for this user, or choose another with `--data`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in ["E0820", "E0821", "E0822", "E0823", "E0824", "E0825", "E0826"] {
            let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
            assert!(page.starts_with(&format!("# {code}: ")), "docs/errors/{code}.md");
        }
    }

    #[test]
    fn a_busy_port_names_who_holds_it_and_a_way_out() {
        let error = StartError::PortBusy {
            address: "127.0.0.1:7400".parse().expect("an address"),
            holder: Some(PortHolder { pid: 7, program: "nginx".to_owned() }),
            free: Some(7401),
        };
        assert_eq!(error.to_string(), "the address 127.0.0.1:7400 is in use by `nginx` (process 7)");
        assert_eq!(
            error.hint().as_deref(),
            Some("stop that process, or listen elsewhere: `--listen 127.0.0.1:7401`")
        );
    }

    #[test]
    fn a_backend_tells_its_problems_apart() {
        let codes =
            [ErrorKind::Conflict, ErrorKind::Exhausted, ErrorKind::PermissionDenied, ErrorKind::Internal]
                .map(|kind| backend_code(&BackendError::new(kind, "x")));
        assert_eq!(codes, ["E0823", "E0825", "E0822", "E0826"]);
        let newer = BackendError::new(ErrorKind::Conflict, "x").with("found", 9).with("supported", 1);
        assert_eq!(backend_code(&newer), "E0824");
    }
}
