//! The built `gofer`, run in a clean environment.
//!
//! Output goes to files, never to pipes: a reader that lags cannot stop the process, and a grandchild that outlives it
//! cannot keep a test waiting.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::Waiter;
use crate::world::World;

/// The variable that names another binary to test, such as a release build.
pub const OVERRIDE: &str = "GOFER_TEST_BIN";

/// How long one command may take before its test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the binary is.
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
}

impl Binary {
    /// The binary that was built beside this test or program, or the one that [`OVERRIDE`] names.
    ///
    /// # Panics
    /// If there is none; the message says how to build it.
    #[must_use]
    pub fn find() -> Self {
        let path = std::env::var_os(OVERRIDE).map_or_else(beside_this_test, PathBuf::from);
        assert!(
            path.is_file(),
            "there is no binary at {}: build it with `cargo build -p gofer`, or run `cargo xtask test`",
            path.display()
        );
        Self { path }
    }

    /// Any other program, for tests of this crate and of wrappers.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command with nothing in its environment but `PATH`, a home in the world, UTF-8, and a Docker engine that is not
    /// there: what runs on a machine with one must run the same on a machine without. It starts in the world.
    #[must_use]
    pub fn command(&self, world: &World) -> Command {
        self.command_under(world, &[])
    }

    /// The same, started by another program: `prefix` is that program and its arguments, and the binary stands behind it.
    #[must_use]
    pub fn command_under(&self, world: &World, prefix: &[String]) -> Command {
        let mut command = match prefix {
            [] => Command::new(&self.path),
            [program, args @ ..] => {
                let mut command = Command::new(program);
                command.args(args).arg(&self.path);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("HOME", world.join("home"))
            .env("LANG", "C.UTF-8")
            .env("DOCKER_HOST", format!("unix://{}", world.join("no-docker.sock").display()))
            .current_dir(world.path());
        command
    }

    /// Runs it to its end with these arguments and no input.
    ///
    /// # Panics
    /// If it cannot be run or takes longer than a minute.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, world: &World, args: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.command(world);
        command.args(args);
        Running::start(command, world).wait(LIMIT)
    }
}

/// A test runs as `target/PROFILE/deps/NAME-HASH`, and the binary lies one directory up; a program lies beside it.
fn beside_this_test() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this test");
    let dir = this.parent().expect("a program lies in a directory");
    let profile = if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir };
    profile.join(format!("gofer{}", std::env::consts::EXE_SUFFIX))
}

/// A process under test. Dropped while it runs, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts a command; what it prints goes to files in the world.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, world: &World) -> Self {
        let dir =
            tempfile::Builder::new().prefix("output-").tempdir_in(world.path()).expect("a directory").keep();
        let (stdout, stderr) = (dir.join("stdout"), dir.join("stderr"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).expect("a file for stdout"))
            .stderr(File::create(&stderr).expect("a file for stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stdout, stderr, ended: None }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed to stdout until now.
    #[must_use]
    pub fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// What it printed to stderr until now.
    #[must_use]
    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// If the kernel does not know the process.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the state of our own child");
        }
        self.ended
    }

    /// Waits for its end and answers everything that it printed.
    ///
    /// # Panics
    /// If it takes longer than `limit`; the message holds what it printed.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Output {
        let status = Waiter::new("the end of the process").limit(limit).until_blocking(|| {
            self.ended().ok_or_else(|| format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr()))
        });
        Output { status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill9(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("our own child can be killed");
            self.ended = Some(self.child.wait().expect("the end of our own child"));
        }
    }

    /// Sends SIGTERM and returns at once.
    ///
    /// # Panics
    /// If it runs and cannot be signalled.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does, and returns at once.
    ///
    /// # Panics
    /// If it runs and cannot be signalled.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGHUP, as a closed terminal does, and returns at once.
    ///
    /// # Panics
    /// If it runs and cannot be signalled.
    pub fn hang_up(&mut self) {
        self.signal(Signal::HUP);
    }

    /// Sends SIGSTOP and waits until each thread stands still: then it does nothing at all until it is resumed.
    ///
    /// # Panics
    /// If it runs and cannot be signalled, or does not stop.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.pid());
        Waiter::new("every thread to stand still").until_blocking(|| {
            let all = std::fs::read_dir(&threads).into_iter().flatten().flatten();
            let stats =
                all.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
            let moving = stats.filter(|stat| !stat.contains(") T ")).count();
            if moving == 0 { Ok(()) } else { Err(moving) }
        });
    }

    /// Sends SIGCONT.
    ///
    /// # Panics
    /// If it runs and cannot be signalled.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
            kill_process(pid, signal).expect("our own child can be signalled");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("the output of the process")).into_owned()
}

/// What a process printed and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed to stdout.
    pub stdout: String,
    /// What it printed to stderr.
    pub stderr: String,
}

impl Output {
    /// The exit code; `None` after a signal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Itself, if the exit code is this one.
    ///
    /// # Panics
    /// If it is another; the message holds everything that was printed.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Itself, if the process succeeded.
    ///
    /// # Panics
    /// If it did not; the message holds everything that was printed.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(world: &World, script: &str) -> Output {
        Binary::at("/bin/sh").run(world, ["-c", script])
    }

    #[test]
    fn both_streams_and_the_code_are_kept_apart() {
        let output = sh(&World::new(), "echo out; echo err >&2; exit 3").expect_code(3);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn the_environment_of_the_test_does_not_leak() {
        let output = sh(&World::new(), "env").ok();
        assert!(!output.stdout.contains("CARGO"), "{}", output.stdout);
    }

    #[test]
    fn a_grandchild_that_stays_does_not_hold_the_test() {
        let world = World::new();
        assert_eq!(sh(&world, "sleep 60 & echo done").ok().stdout, "done\n");
    }

    #[test]
    fn a_killed_process_is_gone() {
        let world = World::new();
        let mut command = Binary::at("/bin/sh").command(&world);
        command.args(["-c", "exec sleep 60"]);
        let mut running = Running::start(command, &world);
        assert!(running.ended().is_none());
        running.kill9();
        assert!(running.ended().is_some_and(|status| status.code().is_none()));
    }

    #[test]
    fn a_signal_can_be_caught() {
        let world = World::new();
        let mut command = Binary::at("/bin/sh").command(&world);
        command.args(["-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"]);
        let mut running = Running::start(command, &world);
        Waiter::new("the trap")
            .until_blocking(|| if running.stdout().is_empty() { Err("nothing") } else { Ok(()) });
        running.terminate();
        assert_eq!(running.wait(LIMIT).code(), Some(7));
    }
}
