//! What is asked of the host: the time, the boot it is in, its processes.

use std::io;

use gofer_types::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The wall time of this host, which is this backend's clock.
pub(crate) fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Realtime);
    Timestamp::from_micros(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1000))
}

/// Milliseconds on a clock that never goes backwards.
pub(crate) fn monotonic_millis() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let millis = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or(0)
}

/// What tells this boot of the host from every other.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A process, as `/proc` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// When it started, in ticks since the boot.
    pub(crate) start: u64,
    pub(crate) zombie: bool,
}

impl Process {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Kills it. That it has ended meanwhile is as good.
    pub(crate) fn kill(self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Reads a line of `/proc/<pid>/stat`. The name, in parentheses, may hold anything.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// All processes that can be seen.
pub(crate) fn processes() -> Vec<Process> {
    let Ok(folder) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder.filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// The living descendants of a process.
pub(crate) fn descendants(of: i32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|process| process.parent == parent && process.pid != of);
        for child in children {
            parents.push(child.pid);
            found.push(*child);
        }
    }
    found.retain(|process| !process.zombie);
    found
}

/// Who a shim is, so that what it leaves behind can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShimIdentity {
    /// Its process id, which is also the id of the session that its task begins in.
    pub(crate) pid: i32,
    /// When it started, in ticks since the boot.
    pub(crate) start: u64,
    /// The process id namespace in which these numbers hold.
    pub(crate) namespace: String,
}

impl ShimIdentity {
    /// Who this process is.
    pub(crate) fn own() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_pid();
        let own = Process::read(pid).ok_or_else(|| io::Error::other("this process is not in /proc"))?;
        Ok(Self { pid, start: own.start, namespace: namespace()? })
    }

    /// Kills what a shim that has died left running: the members of its session. Its number is not given to another
    /// process while one of them lives; if another process has it, none is left.
    pub(crate) fn kill_left_behind(&self) {
        if namespace().ok().as_ref() != Some(&self.namespace) {
            return;
        }
        if Process::read(self.pid).is_some_and(|process| process.start != self.start) {
            return;
        }
        for process in processes() {
            if process.session == self.pid && process.start >= self.start {
                process.kill();
            }
        }
    }
}

fn namespace() -> io::Result<String> {
    Ok(std::fs::read_link("/proc/self/ns/pid")?.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "12 (a) S 9 (b)) R 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 777 22";
        let process = parse(12, stat).unwrap();
        assert_eq!((process.parent, process.session, process.start, process.zombie), (3, 5, 777, false));
    }

    #[test]
    fn this_process_is_found() {
        let own = rustix::process::getpid().as_raw_pid();
        assert!(processes().iter().any(|process| process.pid == own));
        assert_eq!(ShimIdentity::own().unwrap().pid, own);
    }
}
