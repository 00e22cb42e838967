//! The signals that reach the first process, and handing them on.
//!
//! Two ways, one after the other. Until the task runs, handlers note what comes: a blocked signal would stay blocked in
//! the task, and one with neither block nor handler is lost on the first process of a container. From then on all of them
//! are blocked and read one by one from a file, which also says who sent each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpid};

/// What may come before the task runs, and ends or tells a process by default.
const EARLY: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
];

/// The signals of this process.
pub(crate) struct Signals {
    early: Vec<(Signal, Arc<AtomicBool>)>,
    /// Which ones came from outside and were handed on.
    asked: Vec<i32>,
    file: Option<SignalFd>,
}

impl Signals {
    /// Notes signals from now on, without blocking them.
    pub(crate) fn catch() -> Self {
        let flags = EARLY.map(|signal| {
            let flag = Arc::new(AtomicBool::new(false));
            // These signals can all be caught; if one is refused, it keeps its usual effect.
            let _ = signal_hook::flag::register(signal as i32, Arc::clone(&flag));
            (signal, flag)
        });
        Self { early: flags.into(), asked: Vec::new(), file: None }
    }

    /// Blocks all signals; from now on they are read by [`Self::wait`].
    pub(crate) fn block(&mut self) {
        let all = SigSet::all();
        if all.thread_block().is_ok() {
            self.file = SignalFd::new(&all).ok();
        }
    }

    /// Waits until a signal comes, and hands it on to the task unless it tells of the end of a process.
    pub(crate) fn wait(&mut self, task: i32) {
        for (signal, flag) in std::mem::take(&mut self.early) {
            if flag.load(Ordering::SeqCst) {
                self.hand_on(signal, task, true);
            }
        }
        match self.next() {
            Some((Signal::SIGCHLD, _)) => {}
            Some((signal, outside)) => self.hand_on(signal, task, outside),
            None => {}
        }
    }

    /// Whether the task was handed this signal because somebody outside of the container sent it.
    pub(crate) fn asked_for(&self, signal: i32) -> bool {
        self.asked.contains(&signal)
    }

    /// The next signal that has a name, and whether it came from outside. Without the file it cannot be told from where.
    fn next(&mut self) -> Option<(Signal, bool)> {
        let Some(file) = &self.file else {
            return SigSet::all().wait().ok().map(|signal| (signal, true));
        };
        let info = file.read_signal().ok()??;
        let signal = Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()?;
        // A sender that this process cannot see has the number 0. Who is not the first process sees everybody.
        Some((signal, info.ssi_pid == 0 || getpid().as_raw() != 1))
    }

    fn hand_on(&mut self, signal: Signal, task: i32, outside: bool) {
        let sent = kill(Pid::from_raw(task), signal).is_ok();
        let number = signal as i32;
        if sent && outside && !self.asked.contains(&number) {
            self.asked.push(number);
        }
    }
}
