//! The grammar of the server, of self-help, and of the shell.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `status` accepts.
#[derive(Debug, Args)]
pub struct Status {
    /// Ask each backend now
    #[arg(long)]
    pub check: bool,
}

/// The server itself.
#[derive(Debug, Subcommand)]
pub enum Server {
    /// Serve until told to stop
    Start(ServerStart),
    /// The configuration of a server; needs none running
    #[command(subcommand)]
    Config(ServerConfig),
    /// Whether the server answers and its backends do
    Health,
}

/// Where the configuration of a server comes from.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration, in TOML
    #[arg(long, env = "GOFER_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A value that beats the file and the environment
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// What `server start` accepts.
#[derive(Debug, Args)]
pub struct ServerStart {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Where to listen; the same as --set server.listen=ADDRESS
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where the data are; the same as --set server.data_dir=DIR
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// The configuration of a server.
#[derive(Debug, Subcommand)]
pub enum ServerConfig {
    /// Check it and say everything that is wrong
    Check(ConfigFile),
    /// Print it as the server would use it
    Show(ConfigShow),
}

/// What `server config show` accepts.
#[derive(Debug, Args)]
pub struct ConfigShow {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Say where each value comes from
    #[arg(long)]
    pub sources: bool,
}

/// What stands behind a server.
#[derive(Debug, Subcommand)]
pub enum Backend {
    /// Find out whether a configured scheduler keeps every promise; needs no server running
    Check(BackendCheck),
}

/// What `backend check` accepts.
#[derive(Debug, Args)]
pub struct BackendCheck {
    /// Its name in the configuration
    pub name: String,
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Only promises with this text in their names
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// The image for the tasks of the check, where there are images: with a shell and what a busybox has
    #[arg(long, value_name = "IMAGE", default_value = "busybox:1.37")]
    pub image: String,
}

/// What `doctor` accepts.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The configuration.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// What `explain` accepts.
#[derive(Debug, Args)]
pub struct Explain {
    /// A code such as E0101, or a state such as timed_out; without it, the list of both
    pub topic: Option<String>,
}

/// What `completion` accepts.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
