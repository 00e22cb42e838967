//! The signals that reach the first process, and handing them on.
//!
//! Two ways, one after the other. Until the task runs, handlers note what comes: a blocked signal would stay blocked in
//! the task, and one with neither block nor handler is lost on the first process of a container. From then on all of them
//! are blocked and read one by one from a file, which also says who sent each.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid};

/// What may come before the task runs, and ends or tells a process by default.
const EARLY: [Signal; 8] = [
    Signal::SIGPWR,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
];

/// What a signal says to the first process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Everything is to end at once: `gofer_task_init::KILL_ALL`.
    KillAll,
}

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

    /// Blocks all signals; from now on they are read by [`Self::heard`].
    pub(crate) fn block(&mut self) {
        let all = SigSet::all();
        if all.thread_block().is_ok() {
            self.file = SignalFd::with_flags(&all, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok();
        }
    }

    /// What becomes readable when a signal comes.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Hands on to the task what has come, unless it tells of the end of a process; answers what is said to ourselves.
    pub(crate) fn heard(&mut self, task: i32) -> Vec<Word> {
        let early = std::mem::take(&mut self.early).into_iter();
        let mut come: Vec<_> =
            early.filter(|(_, flag)| flag.load(Ordering::SeqCst)).map(|(it, _)| (it, true)).collect();
        while let Some(signal) = self.next() {
            come.push(signal);
        }
        let mut words = Vec::new();
        for (signal, outside) in come {
            match signal {
                Signal::SIGCHLD => {}
                Signal::SIGPWR if outside => {
                    self.asked.push(Signal::SIGKILL as i32);
                    words.push(Word::KillAll);
                }
                _ => self.hand_on(signal, task, outside),
            }
        }
        words
    }

    /// Whether everything was to end at once.
    pub(crate) fn is_hasty(&self) -> bool {
        self.asked_for(Signal::SIGKILL as i32)
    }

    /// Whether the task was handed this signal because somebody outside of the container sent it.
    pub(crate) fn asked_for(&self, signal: i32) -> bool {
        self.asked.contains(&signal)
    }

    /// The next signal that has come and has a name, and whether it came from outside.
    fn next(&mut self) -> Option<(Signal, bool)> {
        loop {
            let info = self.file.as_ref()?.read_signal().ok()??;
            // A sender that this process cannot see has the number 0. Who is not the first process sees everybody.
            let outside = info.ssi_pid == 0 || getpid().as_raw() != 1;
            if let Some(signal) = i32::try_from(info.ssi_signo).ok().and_then(|it| Signal::try_from(it).ok())
            {
                return Some((signal, outside));
            }
        }
    }

    fn hand_on(&mut self, signal: Signal, task: i32, outside: bool) {
        // Nobody is left to hand it on to.
        if task == 0 {
            return;
        }
        let sent = kill(Pid::from_raw(task), signal).is_ok();
        let number = signal as i32;
        if sent && outside && !self.asked.contains(&number) {
            self.asked.push(number);
        }
    }
}
