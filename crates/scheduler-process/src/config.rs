//! What an operator may set.

use std::path::PathBuf;

use gofer_types::ByteSize;
use serde::{Deserialize, Deserializer};

/// What the process scheduler needs to know. In a configuration file, everything may be left out but `root`, which the
/// server fills in when it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessConfig {
    /// The folder for the tasks: one folder per attempt, with its work directory, output and end. Nobody else may write
    /// there. It must be on a local disk.
    pub root: PathBuf,
    /// How much output of one task is kept: the beginning, then a gap that says how much followed. As text: `512MiB`.
    #[serde(deserialize_with = "size")]
    pub max_log: ByteSize,
    /// The `PATH` of a task whose environment has none.
    pub path: String,
    /// The greatest number of open files of each process of a task; left out, the server's own limit.
    pub open_files: Option<u64>,
    /// The greatest number of processes of the user that the server runs as; left out, the server's own limit. The kernel
    /// counts per user, not per task, and does not hold it against root.
    pub processes: Option<u64>,
    /// Whether a start waits until its mark is on the disk. Without it, the loss of power may make the host forget a task
    /// that was started in the last seconds, so that the same attempt is started once more after the reboot; with it, each
    /// start costs some syncs of the disk. The crash of gofer alone never has that effect.
    pub sync_starts: bool,
    /// What is run as the shim of a task. Not for configuration files: it belongs to the program.
    #[serde(skip)]
    pub shim: ShimCommand,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            root: PathBuf::new(),
            max_log: ByteSize::from_mib(512),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            open_files: None,
            processes: None,
            sync_starts: false,
            shim: ShimCommand::default(),
        }
    }
}

/// The program whose main function calls [`main_if_shim`](crate::shim::main_if_shim) first, and the arguments with which it
/// does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimCommand {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments; the attempt id follows.
    pub args: Vec<String>,
}

impl Default for ShimCommand {
    /// This very program: also after its file was replaced.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), args: vec![crate::shim::SHIM.to_owned()] }
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProcessConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(read("{}").unwrap(), ProcessConfig::default());
    }

    #[test]
    fn sizes_are_written_as_people_write_them() {
        assert_eq!(read(r#"{"max_log": "1GiB"}"#).unwrap().max_log, ByteSize::from_mib(1024));
        assert!(read(r#"{"max_log": 5}"#).is_err());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        assert!(read(r#"{"rooot": "/x"}"#).unwrap_err().to_string().contains("rooot"));
    }

    #[test]
    fn the_shim_is_not_the_operators() {
        assert!(read(r#"{"shim": {"program": "/x", "args": []}}"#).is_err());
    }
}
