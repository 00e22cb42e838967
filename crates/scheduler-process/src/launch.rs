//! From what the engine asks for to what a shim is told, or why that can never run here.

use gofer_backend::{ErrorKind, Result};
use gofer_porter::workplace::is_fit;
use gofer_scheduler::TaskSpec;

use crate::config::ProcessConfig;
use crate::error::error;
use crate::protocol::Launch;

/// The kernel takes no longer argument and no longer `NAME=value` (`MAX_ARG_STRLEN`, with its end).
const MAX_TEXT: usize = 128 * 1024 - 1;
/// The kernel takes no more for all arguments and the environment together.
const MAX_ALL: usize = 6 << 20;
/// A shim lives under the limit of its task, and needs some memory itself.
const MIN_MEMORY: u64 = 8 << 20;

/// Checks a task and makes a launch of it. No effect.
pub(crate) fn plan(config: &ProcessConfig, spec: &TaskSpec) -> Result<Launch> {
    refuse_unsupported(spec)?;
    let argv: Vec<String> = spec.entrypoint.iter().flatten().chain(&spec.command).cloned().collect();
    check_arguments(&argv)?;
    check_environment(spec)?;
    let texts = spec.env.iter().flat_map(|(name, value)| [name, value]).chain(&argv);
    if texts.map(String::len).sum::<usize>() > MAX_ALL {
        return Err(invalid("the arguments and the environment together are larger than 6 MiB"));
    }
    if let Some(workdir) = spec.workdir.as_deref().filter(|workdir| !is_fit(workdir)) {
        let fault = invalid("the work directory is not a path without `..`");
        return Err(fault.with("workdir", format!("{workdir:?}")));
    }
    let memory = spec.limits.memory.map(gofer_types::ByteSize::get);
    if memory.is_some_and(|memory| memory < MIN_MEMORY) {
        return Err(invalid("a memory limit below 8MiB cannot be kept"));
    }
    let mut env = spec.env.clone();
    env.entry("PATH".to_owned()).or_insert_with(|| config.path.clone());
    Ok(Launch {
        argv,
        env,
        workdir: spec.workdir.clone(),
        memory,
        open_files: config.open_files,
        processes: config.processes,
        max_log: config.max_log.get(),
    })
}

/// What the author should know about this task here.
pub(crate) fn notes(spec: &TaskSpec) -> Vec<String> {
    let mut notes =
        vec!["unsandboxed: the task is a process of this host, with the rights of the server".to_owned()];
    if !spec.image.is_empty() {
        let image = &spec.image;
        notes.push(format!(
            "the image `{image}` is ignored: the process scheduler runs commands of this host"
        ));
    }
    if spec.limits.memory.is_some() {
        notes.push("the memory limit holds for each process of the task by itself".to_owned());
    }
    notes
}

fn invalid(message: impl Into<String>) -> gofer_backend::BackendError {
    error(ErrorKind::InvalidInput, "start", message)
}

fn refuse_unsupported(spec: &TaskSpec) -> Result<()> {
    let unsupported = |message| Err(error(ErrorKind::Unsupported, "start", message));
    if spec.limits.cpu.is_some() {
        return unsupported("the process scheduler cannot keep a cpu limit");
    }
    if spec.user.is_some() {
        return unsupported("the process scheduler cannot run a task as another user");
    }
    Ok(())
}

fn check_arguments(argv: &[String]) -> Result<()> {
    if argv.first().is_none_or(String::is_empty) {
        let why = "the task has neither command nor script, and the process scheduler runs no images";
        return Err(invalid(why));
    }
    if argv.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid("an argument contains a NUL"));
    }
    if argv.iter().any(|argument| argument.len() > MAX_TEXT) {
        return Err(invalid("an argument is longer than 128 KiB"));
    }
    Ok(())
}

fn check_environment(spec: &TaskSpec) -> Result<()> {
    for (name, value) in &spec.env {
        let complaint = if name.is_empty() {
            "the name of an environment variable is empty"
        } else if name.contains(['=', '\0']) {
            "the name of an environment variable contains `=` or a NUL"
        } else if value.contains('\0') {
            "the value of an environment variable contains a NUL"
        } else if name.len() + value.len() >= MAX_TEXT {
            "an environment variable is longer than 128 KiB"
        } else {
            continue;
        };
        return Err(
            invalid(complaint).with("name", format!("{:?}", name.chars().take(80).collect::<String>()))
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gofer_types::ByteSize;

    use super::*;

    fn spec(words: &[&str]) -> TaskSpec {
        TaskSpec { command: words.iter().map(|word| (*word).to_owned()).collect(), ..TaskSpec::default() }
    }

    fn refused(spec: &TaskSpec) -> ErrorKind {
        plan(&ProcessConfig::default(), spec).unwrap_err().kind()
    }

    #[test]
    fn the_entry_point_stands_first_and_a_path_is_added() {
        let spec = TaskSpec { entrypoint: Some(vec!["env".to_owned()]), ..spec(&["sh"]) };
        let launch = plan(&ProcessConfig::default(), &spec).unwrap();
        assert_eq!(launch.argv, ["env", "sh"]);
        assert_eq!(launch.env.keys().collect::<Vec<_>>(), ["PATH"]);
    }

    #[test]
    fn what_can_never_run_is_refused() {
        assert_eq!(refused(&spec(&[])), ErrorKind::InvalidInput);
        assert_eq!(refused(&spec(&[""])), ErrorKind::InvalidInput);
        assert_eq!(refused(&spec(&["sh", &"x".repeat(MAX_TEXT + 1)])), ErrorKind::InvalidInput);
        for workdir in ["", "..", "a/../../b", "/a/..", "a\0"] {
            let spec = TaskSpec { workdir: Some(workdir.to_owned()), ..spec(&["sh"]) };
            assert_eq!(refused(&spec), ErrorKind::InvalidInput, "{workdir:?}");
        }
        let mut little = spec(&["sh"]);
        little.limits.memory = Some(ByteSize::from_bytes(1000));
        assert_eq!(refused(&little), ErrorKind::InvalidInput);
    }

    #[test]
    fn an_environment_of_two_mebibytes_in_one_variable_is_refused() {
        let mut spec = spec(&["sh"]);
        spec.env.insert("BIG".to_owned(), "x".repeat(2 << 20));
        assert_eq!(refused(&spec), ErrorKind::InvalidInput);
    }

    #[test]
    fn the_notes_name_the_image() {
        let spec = TaskSpec { image: "alpine:3".to_owned(), ..spec(&["sh"]) };
        assert!(notes(&spec).iter().any(|note| note.contains("`alpine:3`")), "{:?}", notes(&spec));
    }
}
