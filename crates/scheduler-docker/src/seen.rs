//! What an inspection of a container says, in our words: pure.

use bollard::models::{ContainerInspectResponse, ContainerState};
use gofer_backend::Owner;
use gofer_types::Timestamp;

use gofer_container::labels;

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The engine's id of it.
    pub(crate) container: String,
    pub(crate) digest: String,
    /// The digest of the image that it runs, as its start told it.
    pub(crate) image: String,
    /// Where the task starts.
    pub(crate) workdir: String,
    pub(crate) stage: Stage,
}

/// How far a container has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It was created and has never run; the text is why it could not, if that was tried.
    Created(String),
    /// It runs, or is paused.
    Runs,
    /// It has run.
    Ended { code: i32, out_of_memory: bool, at: Option<Timestamp> },
}

impl Seen {
    /// What people call it: the short form that the engine's own tools print.
    pub(crate) fn handle(&self) -> String {
        handle(&self.container)
    }
}

/// The short form of a container's id.
pub(crate) fn handle(container: &str) -> String {
    container.chars().take(12).collect()
}

/// Nothing if the container is not ours.
pub(crate) fn of(owner: &Owner, answer: ContainerInspectResponse) -> Option<Seen> {
    let config = answer.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    if labels.get(labels::OWNER) != Some(&owner.0) {
        return None;
    }
    Some(Seen {
        container: answer.id.unwrap_or_default(),
        digest: labels.get(labels::DIGEST).cloned().unwrap_or_default(),
        image: labels.get(labels::IMAGE_DIGEST).cloned().or(answer.image).unwrap_or_default(),
        workdir: config.working_dir.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned()),
        stage: stage(answer.state.unwrap_or_default()),
    })
}

/// How far a container in this state has come.
pub(crate) fn stage(state: ContainerState) -> Stage {
    if state.running == Some(true) || state.paused == Some(true) {
        return Stage::Runs;
    }
    match state.started_at.as_deref().and_then(time) {
        None => Stage::Created(state.error.unwrap_or_default()),
        Some(_) => Stage::Ended {
            code: state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1),
            out_of_memory: state.oom_killed == Some(true),
            at: state.finished_at.as_deref().and_then(time),
        },
    }
}

/// A point in time; the engine writes the year 1 for never.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    (time.as_second() > 0).then(|| Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: &str = "0001-01-01T00:00:00Z";

    fn seen(status: &str) -> Option<Seen> {
        let json = format!(
            r#"{{"Id": "0123456789abcdef", "Image": "sha256:1", "State": {status},
                "Config": {{"Labels": {{"gofer.owner": "me", "gofer.digest": "d"}}}}}}"#
        );
        of(&Owner("me".to_owned()), serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn a_paused_container_runs() {
        let status =
            r#"{"Status": "paused", "Running": true, "Paused": true, "StartedAt": "2026-11-25T10:00:00Z"}"#;
        let seen = seen(status).unwrap();
        assert_eq!((seen.stage.clone(), seen.handle().as_str()), (Stage::Runs, "0123456789ab"));
        assert_eq!((seen.image.as_str(), seen.digest.as_str()), ("sha256:1", "d"));
    }

    #[test]
    fn a_container_that_never_ran_has_not_ended() {
        let status = format!(
            r#"{{"Status": "created", "ExitCode": 127, "Error": "no such user", "StartedAt": "{NEVER}"}}"#
        );
        assert_eq!(seen(&status).unwrap().stage, Stage::Created("no such user".to_owned()));
    }

    #[test]
    fn an_ended_container_tells_code_memory_and_time() {
        let status = r#"{"Status": "exited", "ExitCode": 137, "OOMKilled": true,
            "StartedAt": "2026-11-25T10:00:00Z", "FinishedAt": "2026-11-25T10:00:01.5Z"}"#;
        let Stage::Ended { code, out_of_memory, at } = seen(status).unwrap().stage else { panic!() };
        assert_eq!((code, out_of_memory), (137, true));
        assert_eq!(at.unwrap().as_micros() % 1_000_000, 500_000);
    }

    #[test]
    fn the_container_of_another_owner_is_nothing() {
        let other = of(&Owner("you".to_owned()), ContainerInspectResponse::default());
        assert_eq!(other, None);
    }
}
