//! What runs the tasks of `local` and `dev`: containers where there is an engine for them, else processes; and why.

use gofer_grammar::Scheduler;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::Surroundings;
use gofer_server::{DockerEngine, NoDocker};

const UNSAFE: &str = "tasks run on this machine, without a sandbox; images are ignored";

/// Where engines are looked for.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    host: Option<String>,
    runtime_dir: Option<String>,
}

impl Engines {
    /// Where the environment says.
    pub(crate) fn of(around: &Surroundings) -> Self {
        let var = |name| around.var(name).map(str::to_owned);
        Self { host: var("DOCKER_HOST"), runtime_dir: var("XDG_RUNTIME_DIR") }
    }

    async fn ask(&self) -> Result<DockerEngine, NoDocker> {
        gofer_server::docker_answers(self.host.as_deref(), self.runtime_dir.as_deref()).await
    }
}

/// The scheduler that was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The settings that stand for it.
    pub(crate) overrides: Vec<String>,
    /// Which one, and why: for people, on a line.
    pub(crate) told: String,
    /// Whether its tasks are containers.
    pub(crate) containers: bool,
}

impl Chosen {
    fn docker(engine: &DockerEngine) -> Self {
        let socket = format!("scheduler.docker.socket={}", engine.url);
        Self {
            overrides: vec!["scheduler.default=docker".to_owned(), socket],
            told: format!("{} ({})", engine.what, engine.url),
            containers: true,
        }
    }

    fn process(why: &str) -> Self {
        let why = if why.is_empty() { String::new() } else { format!("{why}; ") };
        Self {
            overrides: vec!["scheduler.default=process".to_owned()],
            told: format!("process: {why}{UNSAFE}"),
            containers: false,
        }
    }
}

/// Chooses. `imageless` is a task that names no image, for which containers are no choice.
pub(crate) async fn choose(
    wanted: Scheduler,
    engines: &Engines,
    imageless: Option<&str>,
) -> Result<Chosen, Failure> {
    match (wanted, imageless) {
        (Scheduler::Process, _) => Ok(Chosen::process("")),
        (Scheduler::Docker, _) => {
            engines.ask().await.map(|engine| Chosen::docker(&engine)).map_err(|error| absent(&error))
        }
        (Scheduler::Auto, _) if !gofer_server::has_scheduler("docker") => {
            Ok(Chosen::process("this gofer was built without Docker"))
        }
        (Scheduler::Auto, Some(task)) => Ok(Chosen::process(&format!("task `{task}` names no image"))),
        (Scheduler::Auto, None) => Ok(match engines.ask().await {
            Ok(engine) => Chosen::docker(&engine),
            Err(NoDocker::Silent { .. }) => Chosen::process("no Docker engine answers"),
            Err(elsewhere) => Chosen::process(&elsewhere.to_string()),
        }),
    }
}

fn absent(error: &NoDocker) -> Failure {
    let mut failure = Failure::new("E0520", Exit::Unavailable, error);
    if let Some(cause) = std::error::Error::source(error) {
        failure = failure.because(cause);
    }
    let denied = matches!(error, NoDocker::Silent { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied);
    let fix = if denied {
        "you may not use it: its group, most often `docker`, may"
    } else {
        "start Docker, or name its socket with DOCKER_HOST=unix://PATH"
    };
    failure.hint(format!("{fix}; `--scheduler process` needs no engine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines(host: &str) -> Engines {
        Engines { host: Some(host.to_owned()), runtime_dir: None }
    }

    #[tokio::test]
    async fn processes_are_taken_where_they_are_asked_for_or_nothing_else_is() {
        let nowhere = engines("unix:///no/such.sock");
        let chosen = choose(Scheduler::Process, &nowhere, None).await.expect("processes");
        assert_eq!(chosen.overrides, ["scheduler.default=process"]);
        assert_eq!(chosen.told, format!("process: {UNSAFE}"));
        let chosen = choose(Scheduler::Auto, &nowhere, None).await.expect("processes");
        assert_eq!(chosen.overrides, ["scheduler.default=process"]);
        assert!(chosen.told.starts_with("process: ") && chosen.told.ends_with(UNSAFE), "{}", chosen.told);
    }

    #[tokio::test]
    async fn an_engine_that_was_asked_for_and_is_not_there_is_named_with_what_to_do() {
        let failure =
            choose(Scheduler::Docker, &engines("unix:///no/such.sock"), None).await.expect_err("none");
        assert_eq!((failure.code.as_str(), failure.exit), ("E0520", Exit::Unavailable));
        assert!(failure.message.contains("unix:///no/such.sock"), "{}", failure.message);
        assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains("DOCKER_HOST=unix://PATH")));
    }

    #[test]
    fn an_engine_becomes_settings() {
        let engine = DockerEngine { what: "docker 20.10.24".to_owned(), url: "unix:///x.sock".to_owned() };
        let chosen = Chosen::docker(&engine);
        assert_eq!(chosen.overrides, ["scheduler.default=docker", "scheduler.docker.socket=unix:///x.sock"]);
        assert_eq!(chosen.told, "docker 20.10.24 (unix:///x.sock)");
    }
}
