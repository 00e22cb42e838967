//! Starting the task itself: where, what, with which limits; or why not.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gofer_backend::ErrorKind;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use crate::attempts::WORK;
use crate::error;
use crate::protocol::{FromShim, Launch};

/// Why a task cannot be started.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
}

impl Refusal {
    pub(crate) fn host(doing: &str, source: &io::Error) -> Self {
        Self { kind: error::kind(source), message: doing.to_owned(), cause: Some(source.to_string()) }
    }

    /// All of it on one line.
    pub(crate) fn chain(&self) -> String {
        self.cause.as_ref().map_or_else(|| self.message.clone(), |cause| format!("{}: {cause}", self.message))
    }

    /// As it is told to the server.
    pub(crate) fn told(self) -> FromShim {
        FromShim::Refused { kind: self.kind, message: self.message, cause: self.cause }
    }

    fn invalid(message: String) -> Self {
        Self { kind: ErrorKind::InvalidInput, message, cause: None }
    }
}

/// A task that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: Pid,
    pub(crate) out: OwnedFd,
    pub(crate) err: OwnedFd,
}

/// Sets the limits that this process and all that it starts have in common. The limit on memory is the shim's too: it is
/// small enough, and so the task has it from its first instruction on.
pub(crate) fn limit(launch: &Launch) -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let limits = [
        (Resource::Nofile, launch.open_files),
        (Resource::Nproc, launch.processes),
        (Resource::Data, launch.memory),
    ];
    for (resource, limit) in limits {
        if let Some(limit) = limit {
            let most = getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
    }
    Ok(())
}

/// Starts the task. The working directory of this process is the folder of the attempt.
pub(crate) fn start(launch: &Launch) -> Result<Running, Refusal> {
    let folder = workdir(launch.workdir.as_deref())?;
    let (name, arguments) =
        launch.argv.split_first().ok_or_else(|| Refusal::invalid("there is no command".to_owned()))?;
    let path = launch.env.get("PATH").map_or("", String::as_str);
    let program = find(name, path, &folder)?;
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments).env_clear().envs(&launch.env).current_dir(&folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| refused(&program, &error))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    match (pid, child.stdout.take(), child.stderr.take()) {
        (Some(pid), Some(out), Some(err)) => Ok(Running { pid, out: out.into(), err: err.into() }),
        _ => Err(Refusal {
            kind: ErrorKind::Internal,
            message: "the task has no pipes".to_owned(),
            cause: None,
        }),
    }
}

/// The directory that the task begins in, as an absolute path.
fn workdir(wanted: Option<&str>) -> Result<PathBuf, Refusal> {
    let own =
        std::env::current_dir().map_err(|error| Refusal::host("its folder is not there", &error))?.join(WORK);
    let folder = own.join(wanted.unwrap_or(""));
    if folder.starts_with(&own) {
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        made.map_err(|error| Refusal::host("cannot make the work directory", &error))?;
    } else if !folder.is_dir() {
        return Err(Refusal::invalid(format!("the work directory `{}` is not there", folder.display())));
    }
    Ok(folder)
}

/// The file of a program: a name without `/` is looked up in the task's own `PATH`.
fn find(name: &str, path: &str, folder: &Path) -> Result<PathBuf, Refusal> {
    if name.contains('/') {
        return Ok(folder.join(name));
    }
    let candidates = path.split(':').map(|place| folder.join(place).join(name));
    let found = candidates.into_iter().find(|file| is_program(file));
    found.ok_or_else(|| Refusal::invalid(format!("there is no program `{name}` in the PATH `{path}`")))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What the kernel's answer to a start means.
fn refused(program: &Path, source: &io::Error) -> Refusal {
    /// Not permitted, not there, too long, not a format, no access, busy, a folder, a name too long, too many links.
    const NEVER: [i32; 10] = [1, 2, 7, 8, 13, 20, 21, 26, 36, 40];
    let mut refusal = Refusal::host(&format!("cannot run `{}`", program.display()), source);
    if source.raw_os_error().is_some_and(|number| NEVER.contains(&number)) {
        refusal.kind = ErrorKind::InvalidInput;
    }
    refusal
}
