//! The life of a shim: claim, start, keep, end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use gofer_scheduler::StreamKind;
use gofer_types::Cause;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitStatus, getpid, set_child_subreaper, setsid, umask};

use super::connection::Connection;
use super::output::{Flow, Log, Source};
use super::task::{self, Refusal, Running};
use super::tree::{self, Reaper, timespec};
use crate::attempts::{CLAIM, EXIT, LOG, SHIM, create, rename_once};
use crate::files;
use crate::host::{self, ShimIdentity};
use crate::protocol::{ExitRecord, FromShim, Launch, ToShim};

/// How many schedulers may be connected at once; one is.
const MAX_CONNECTIONS: usize = 8;
/// The room that is taken on the disk for the record of the end when the task starts, so that a full disk cannot lose it.
const EXIT_ROOM: usize = 512;
/// How long to wait before writing the record of the end once more.
const RETRY_MILLIS: u64 = 2000;

/// The hidden main function. Its working directory is the folder of the attempt, and its standard input the first connection.
pub(crate) fn main() -> ExitCode {
    // First of all: what a terminal tells the processes of the server is not meant for this one. It fails only for the leader
    // of a process group, which a shim is not; if it is, it leads its own anyway.
    let _ = setsid();
    close_inherited();
    let Ok(first) = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3) else {
        return ExitCode::FAILURE;
    };
    let mut first = UnixStream::from(first);
    let Ok(ToShim::Launch(launch)) = ToShim::read(&mut first) else {
        // The server died before it had said everything: nothing was started, and nothing is claimed.
        return ExitCode::FAILURE;
    };
    // Until the task runs: what it starts with does not change meanwhile.
    let lock = files::workplace(".".into(), None).lock();
    let claimed = lock.and_then(|lock| Ok((claim()?, lock)));
    match claimed {
        Ok((Some(listener), lock)) => {
            let begun = begin(&launch, listener);
            drop(lock);
            match begun {
                Ok(shim) => shim.live(first),
                Err(refusal) => refuse(&first, refusal),
            }
        }
        Ok((None, _)) => reply(&first, &FromShim::Taken),
        Err(error) => {
            // Another shim may have the task, and run it: only the server can find out.
            let Refusal { kind, message, cause } = Refusal::host("cannot claim the task", &error);
            reply(&first, &FromShim::Unclaimed { kind, message, cause });
        }
    }
    ExitCode::SUCCESS
}

/// Closes every file but the three standard ones: what the server has inherited and did not know of. Nothing of ours is open
/// yet, so that no number that is closed belongs to anybody.
fn close_inherited() {
    let Ok(folder) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The folder itself was in the list, and is closed already.
        let _ = nix::unistd::close(number);
    }
}

/// Answers on a connection that still blocks. A server that is gone reads the disk later.
fn reply(mut to: &UnixStream, message: &FromShim) {
    let _ = to.write_all(&message.encode());
}

/// Becomes the one shim of this task; nothing if another has it. Whoever finds the claim can connect at once.
fn claim() -> io::Result<Option<UnixListener>> {
    let own = format!("new-{}-{}", std::process::id(), host::now().as_micros());
    let listener = UnixListener::bind(&own)?;
    if rename_once(Path::new(&own), Path::new(CLAIM))? {
        return Ok(Some(listener));
    }
    std::fs::remove_file(&own)?;
    Ok(None)
}

/// Keeps for later that the task never ran, and says so.
fn refuse(to: &UnixStream, refusal: Refusal) {
    let exit =
        ExitRecord { cause: Cause::CannotStart(refusal.chain()), at: host::now(), pid: 0, unwritten: 0 };
    if let Ok(file) = ExitFile::reserve() {
        // If this fails, the server deletes the folder; if the server is gone too, the task counts as lost.
        let _ = file.write(&exit);
    }
    reply(to, &refusal.told());
}

/// The file for the record of the end, with its room on the disk.
#[derive(Debug)]
struct ExitFile(File);

const EXIT_NEW: &str = "exit-new";

impl ExitFile {
    fn reserve() -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(EXIT_NEW)?;
        file.write_all_at(&[b' '; EXIT_ROOM], 0)?;
        Ok(Self(file))
    }

    /// Writes the record whole or not at all. Spaces around JSON mean nothing.
    fn write(&self, exit: &ExitRecord) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(exit)?;
        bytes.resize(bytes.len().max(EXIT_ROOM), b' ');
        self.0.write_all_at(&bytes, 0)?;
        rename_once(Path::new(EXIT_NEW), Path::new(EXIT)).map(drop)
    }
}

/// A shim whose task runs.
struct Shim {
    main: Pid,
    reaper: Reaper,
    log: Log,
    sources: Vec<Source>,
    listener: UnixListener,
    connections: Vec<Connection>,
    /// When the task is to be killed, on the monotonic clock.
    kill_at: Option<u64>,
    /// Set once it has been asked to end.
    asked: bool,
    exit: Option<ExitRecord>,
    exit_file: ExitFile,
}

/// Starts the task under this process.
fn begin(launch: &Launch, listener: UnixListener) -> Result<Shim, Refusal> {
    let prepared = prepare(launch);
    let (log, reaper, exit_file) =
        prepared.map_err(|error| Refusal::host("cannot prepare the task", &error))?;
    let Running { pid, out, err } = task::start(launch)?;
    reaper.watch(pid);
    let pipes = [(out, StreamKind::Out), (err, StreamKind::Err)];
    let sources: Vec<Source> =
        pipes.into_iter().filter_map(|(pipe, kind)| Source::new(pipe, kind).ok()).collect();
    if sources.len() < 2 {
        // It runs already, so it cannot be refused any more; what cannot be read must not run on.
        reaper.signal(pid, Signal::KILL);
    }
    let (connections, kill_at) = (Vec::new(), None);
    Ok(Shim {
        main: pid,
        reaper,
        log,
        sources,
        listener,
        connections,
        kill_at,
        asked: false,
        exit: None,
        exit_file,
    })
}

/// What must hold before the task begins.
fn prepare(launch: &Launch) -> io::Result<(Log, Reaper, ExitFile)> {
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    set_child_subreaper(Some(getpid()))?;
    rustix::thread::set_no_new_privs(true)?;
    let reaper = Reaper::start()?;
    task::limit(launch)?;
    create(Path::new(SHIM))?.write_all(&serde_json::to_vec(&ShimIdentity::own()?)?)?;
    let log = OpenOptions::new().append(true).create_new(true).mode(0o600).open(LOG)?;
    Ok((Log::new(log, launch.max_log), reaper, ExitFile::reserve()?))
}

impl Shim {
    fn live(mut self, first: UnixStream) {
        self.welcome(first);
        while !self.reaper.is_done() {
            self.turn(self.kill_at);
            self.kill_in_time();
        }
        tree::kill_rest();
        self.drain();
        let exit = self.conclude();
        let kept = self.exit_file.write(&exit).is_ok();
        for connection in &mut self.connections {
            let _ = connection.say(&FromShim::Ended(exit.clone()));
        }
        if !kept {
            self.exit = Some(exit.clone());
            self.persist(&exit);
        }
    }

    fn welcome(&mut self, stream: UnixStream) {
        let hello = FromShim::Running { pid: self.main.as_raw_pid().unsigned_abs(), log: self.log.length() };
        let Ok(mut connection) = Connection::new(stream) else { return };
        let ended = self.exit.clone().map(FromShim::Ended);
        let greeted =
            connection.say(&hello).and_then(|()| ended.map_or(Ok(()), |ended| connection.say(&ended)));
        if greeted.is_ok() && self.connections.len() < MAX_CONNECTIONS {
            self.connections.push(connection);
        } else {
            connection.close();
        }
    }

    /// Waits until something happens, and deals with it.
    fn turn(&mut self, until: Option<u64>) {
        let timeout = until.map(|at| timespec(at.saturating_sub(host::monotonic_millis())));
        let mut wanted = vec![PollFd::new(&self.listener, PollFlags::IN)];
        if self.exit.is_none() {
            wanted.push(PollFd::new(&self.reaper.ended, PollFlags::IN));
        }
        wanted.extend(self.sources.iter().map(|source| PollFd::new(&source.pipe, PollFlags::IN)));
        wanted
            .extend(self.connections.iter().map(|connection| PollFd::new(connection, connection.interest())));
        // An interrupted wait is a turn in which nothing happened.
        let _ = poll(&mut wanted, timeout.as_ref());
        let listening = !wanted[0].revents().is_empty();
        drop(wanted);
        self.pump();
        if listening && let Ok((stream, _)) = self.listener.accept() {
            self.welcome(stream);
        }
        self.serve();
    }

    /// Moves output to the log, and tells the connected. Reading costs nothing where there is nothing.
    fn pump(&mut self) {
        let before = self.log.length();
        let Self { sources, log, .. } = self;
        sources.retain_mut(|source| source.pump(log) != Flow::Closed);
        let length = self.log.length();
        if length != before {
            self.connections.retain_mut(|connection| connection.tell_log(length).is_ok());
        }
    }

    fn serve(&mut self) {
        let mut grace = None;
        let length = self.log.length();
        self.connections.retain_mut(|connection| match connection.work(length) {
            Ok(requests) => {
                for request in requests {
                    if let ToShim::Stop(millis) = request {
                        grace = Some(grace.map_or(millis, |shorter: u64| shorter.min(millis)));
                    }
                }
                true
            }
            Err(_) => {
                connection.close();
                false
            }
        });
        if let Some(grace) = grace {
            self.stop(grace);
        }
    }

    fn stop(&mut self, grace: u64) {
        let at = host::monotonic_millis().saturating_add(grace);
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
        if grace > 0 && !self.asked {
            self.asked = true;
            self.reaper.signal(self.main, Signal::TERM);
        }
    }

    fn kill_in_time(&mut self) {
        if self.kill_at.is_some_and(|at| at <= host::monotonic_millis()) {
            self.kill_at = None;
            self.reaper.signal(self.main, Signal::KILL);
        }
    }

    /// Reads what the dead have left in the pipes. A pipe that a stranger holds open is not waited for.
    fn drain(&mut self) {
        let Self { sources, log, .. } = self;
        for mut source in sources.drain(..) {
            while source.pump(log) == Flow::More {}
        }
    }

    fn conclude(&mut self) -> ExitRecord {
        let unwritten = self.log.finish();
        let cause =
            self.reaper.status().map_or_else(|| Cause::Lost("it was reaped by another".to_owned()), cause);
        ExitRecord { cause, at: host::now(), pid: self.main.as_raw_pid().unsigned_abs(), unwritten }
    }

    /// Writes the end to the disk once more, and again. As long as that fails, this process is the memory of it.
    fn persist(mut self, exit: &ExitRecord) {
        loop {
            self.turn(Some(host::monotonic_millis() + RETRY_MILLIS));
            match self.exit_file.write(exit) {
                Ok(()) => return,
                // The folder is gone: nobody will ask any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(_) => {}
            }
        }
    }
}

fn cause(status: WaitStatus) -> Cause {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Cause::ExitCode(code),
        (None, Some(signal)) => Cause::Signal(signal),
        (None, None) => Cause::Lost(format!("its end cannot be read: {status:?}")),
    }
}
