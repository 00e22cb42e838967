//! The step between a shim and a task with a memory limit: this program once more, which limits itself and then becomes the
//! task.
//!
//! Its standard input is a pipe to the shim: it is closed when the task has begun, and carries the error number if that
//! failed.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

/// Arguments: the limit in bytes, the program, and the argument vector of the task.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    // The copy is closed by the kernel in the moment in which the task begins.
    let Ok(report) = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3) else {
        return ExitCode::FAILURE;
    };
    let error = become_task(args);
    tell(&report, &error);
    ExitCode::FAILURE
}

fn tell(report: &OwnedFd, error: &io::Error) {
    let number = error.raw_os_error().unwrap_or(0).to_le_bytes();
    // A shim that is gone needs no answer.
    let _ = rustix::io::write(report, &number);
}

/// Answers only if it fails.
fn become_task(mut args: impl Iterator<Item = OsString>) -> io::Error {
    let bytes = args.next().and_then(|text| text.to_str().and_then(|text| text.parse().ok()));
    let (Some(bytes), Some(program), Some(name)) = (bytes, args.next(), args.next()) else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    let mut command = Command::new(program);
    command.arg0(name).args(args).stdin(Stdio::null());
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        return error.into();
    }
    command.exec()
}
