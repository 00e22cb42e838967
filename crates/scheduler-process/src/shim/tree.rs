//! The processes of the task: who has ended, and ending all of them.
//!
//! The shim is the reaper of everything below it, so a process that detaches itself from the task becomes its child.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid, kill_process,
    kill_process_group, pidfd_open, waitid,
};

use crate::host::{self, Process};

/// How long ending the rest of a tree may take. Only a process that the kernel does not let go outlives a kill.
const KILL_MILLIS: u64 = 5000;

/// Waits for children: for the main process of the task, and for whatever becomes a child of this process.
#[derive(Debug)]
pub(crate) struct Reaper {
    /// Is closed when the main process has ended.
    pub(crate) ended: PipeReader,
    status: Arc<Mutex<Option<WaitStatus>>>,
    watch: Sender<Pid>,
    thread: JoinHandle<()>,
}

impl Reaper {
    /// Starts the thread that waits. It needs a thread: nothing else tells in a safe way that any child has ended.
    pub(crate) fn start() -> io::Result<Self> {
        let (ended, end) = io::pipe()?;
        let (watch, pids) = channel();
        let status = Arc::default();
        let shared = Arc::clone(&status);
        let thread = std::thread::Builder::new()
            .name("reaper".to_owned())
            .stack_size(64 << 10)
            .spawn(move || wait_for_main(&pids, &shared, end))?;
        Ok(Self { ended, status, watch, thread })
    }

    /// Names the main process.
    pub(crate) fn watch(&self, main: Pid) {
        // The thread waits for this.
        let _ = self.watch.send(main);
    }

    /// Whether nothing more is waited for.
    pub(crate) fn is_done(&self) -> bool {
        self.status().is_some() || self.thread.is_finished()
    }

    /// How the main process ended, if it has.
    pub(crate) fn status(&self) -> Option<WaitStatus> {
        *lock(&self.status)
    }

    /// Signals the process group of the task, unless the main process has been reaped: then its number may be another's.
    pub(crate) fn signal(&self, main: Pid, signal: Signal) {
        let status = lock(&self.status);
        if status.is_none() && (kill_process_group(main, signal).is_err() || signal == Signal::KILL) {
            // It may have moved to another group.
            let _ = kill_process(main, signal);
        }
    }
}

fn lock(status: &Mutex<Option<WaitStatus>>) -> MutexGuard<'_, Option<WaitStatus>> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for_main(pids: &Receiver<Pid>, status: &Mutex<Option<WaitStatus>>, end: PipeWriter) {
    let Ok(main) = pids.recv() else { return };
    loop {
        // Waits without reaping, so that reaping happens under the lock.
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => continue,
            Err(_) => break,
            Ok(_) => {}
        }
        let mut status = lock(status);
        if let Ok(Some((pid, how))) = rustix::process::wait(WaitOptions::NOHANG)
            && pid == main
        {
            *status = Some(how);
            break;
        }
    }
    drop(end);
}

/// Kills every descendant of this process and waits until they are gone; not longer than [`KILL_MILLIS`].
pub(crate) fn kill_rest() {
    let deadline = host::monotonic_millis() + KILL_MILLIS;
    while has_children() && host::monotonic_millis() < deadline {
        let rest = host::descendants(getpid().as_raw_pid());
        if rest.is_empty() {
            // A child that was not seen yet, or cannot be: look again a little later.
            let _ = poll(&mut [], Some(&timespec(10)));
        }
        for process in &rest {
            process.kill();
        }
        for process in &rest {
            wait_until_gone(*process, deadline);
        }
    }
}

/// Reaps what has ended; whether something is left.
fn has_children() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

fn wait_until_gone(process: Process, deadline: u64) {
    let handle = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    if let Some(handle) = handle {
        let left = deadline.saturating_sub(host::monotonic_millis());
        let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timespec(left)));
    }
}

pub(crate) fn timespec(millis: u64) -> Timespec {
    // The remainder is below 1000.
    let nanos = (millis % 1000) * 1_000_000;
    Timespec {
        tv_sec: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos).unwrap_or(0),
    }
}
