//! The grammar of the server, of self-help, and of the shell.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Ask each backend now
    #[arg(long)]
    pub(crate) check: bool,
}

/// The server itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Serve until told to stop
    Start(ServerStart),
    /// The configuration of a server; needs none running
    #[command(subcommand)]
    Config(ServerConfig),
    /// Whether the server answers and its backends do
    Health,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration, in TOML
    #[arg(long, env = "GOFER_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A value that beats the file and the environment
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServerStart {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Where to listen; the same as --set server.listen=ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where the data are; the same as --set server.data_dir=DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// The configuration of a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerConfig {
    /// Check it and say everything that is wrong
    Check(ConfigFile),
    /// Print it as the server would use it
    Show(ConfigShow),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigShow {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Say where each value comes from
    #[arg(long)]
    pub(crate) sources: bool,
}

/// What stands behind a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Backend {
    /// Find out whether a configured scheduler keeps every promise; needs no server running
    Check(BackendCheck),
}

#[derive(Debug, Args)]
pub(crate) struct BackendCheck {
    /// Its name in the configuration
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Only promises with this text in their names
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// The image for the tasks of the check, where there are images: with a shell and what a busybox has
    #[arg(long, value_name = "IMAGE", default_value = "busybox:1.37")]
    pub(crate) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A code such as E0101, or a state such as timed_out; without it, the list of both
    pub(crate) topic: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
