//! Ends what still runs in a world.
//!
//! It looks at `/proc` only, and touches a process only if its working directory or an argument lies in the given
//! directory. Where there is no `/proc` it does nothing.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Kills every process that belongs to the directory, and answers how many it found.
pub(crate) fn processes_in(dir: &Path) -> usize {
    found_in(dir).into_iter().filter(|pid| kill(*pid)).count()
}

/// Every process that belongs to the directory.
pub(crate) fn found_in(dir: &Path) -> Vec<u32> {
    let ours = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != ours && belongs(*pid, dir))
        .collect()
}

/// The processes that this one has started and that still run.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn belongs(pid: u32, dir: &Path) -> bool {
    let works_there = std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    works_there || names_it(pid, dir)
}

fn names_it(pid: u32, dir: &Path) -> bool {
    let needle = dir.as_os_str().as_encoded_bytes();
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.windows(needle.len()).any(|part| part == needle)
}

/// Kills one process, if it is there.
pub(crate) fn kill(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_in_the_directory_is_ended_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        let mut inside = Command::new("sleep").arg("60").current_dir(&path).spawn().unwrap();
        let mut outside = Command::new("sleep").arg("60").current_dir("/").spawn().unwrap();
        assert_eq!(processes_in(&path), 1);
        assert!(!inside.wait().unwrap().success());
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
