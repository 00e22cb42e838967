//! What an interrupted server leaves at the engine, and what others have there.

use std::time::Duration;

use gofer_backend::ErrorKind;
use gofer_scheduler::{Scheduler, StartOutcome, TaskStatus};
use gofer_types::{AttemptId, Cause};
use serde_json::{Value, json};

use crate::bed::{Bed, new_id, script};

/// The same container as that of a task that was started, under another id, and never started.
async fn created(bed: &Bed, text: &str) -> AttemptId {
    let model = new_id();
    bed.scheduler.start(&model, &script(bed.image, text)).await.unwrap();
    let id = new_id();
    let mut body = bed.look(&format!("/containers/{model}/json"));
    let (mut config, host) = (body["Config"].take(), body["HostConfig"].take());
    config["Labels"]["gofer.attempt"] = json!(id.as_str());
    config["HostConfig"] = host;
    let made = bed.docker.post(&format!("/containers/create?name={id}"), &config.to_string()).unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    bed.scheduler.wait(&model).await.unwrap();
    bed.scheduler.remove(&model).await.unwrap();
    id
}

pub(crate) async fn what_was_created_and_never_ran_is_listed_and_removed() {
    let bed = Bed::new().await;
    let id = created(&bed, "exit 3").await;
    let again = bed.again(|_| {}).await;
    let list = again.list().await.unwrap();
    assert_eq!(
        list.iter().map(|one| (&one.id, &one.status)).collect::<Vec<_>>(),
        [(&id, &TaskStatus::Starting)]
    );
    let stopped = again.stop(&id, Duration::ZERO).await.unwrap_err();
    let told = (stopped.kind(), stopped.message());
    assert_eq!(told, (ErrorKind::NotFound, "the task had not begun, and never will"));
    assert_eq!(again.list().await.unwrap(), []);
    again.remove(&id).await.unwrap();
    assert_eq!(bed.look(&format!("/containers/{id}/json")), Value::Null);
    let never = again.start(&id, &script(bed.image, "exit 3")).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::Conflict, "{}", never.chain());
}

pub(crate) async fn what_was_created_and_never_ran_is_run_by_the_next_start() {
    let bed = Bed::new().await;
    let id = created(&bed, "exit 3").await;
    let started = bed.scheduler.start(&id, &script(bed.image, "exit 3")).await.unwrap();
    assert_eq!(started.outcome, StartOutcome::Adopted);
    assert_eq!(bed.result(&id).await.0.cause, Cause::ExitCode(3));
}

pub(crate) async fn the_program_of_ours_is_at_the_engine_once() {
    let (one, two) = (Bed::new().await, Bed::new().await);
    let (first, second) = (new_id(), new_id());
    let spec = script(one.image, "true");
    let (a, b) = tokio::join!(one.scheduler.start(&first, &spec), two.scheduler.start(&second, &spec));
    drop((a.unwrap(), b.unwrap()));
    let volume =
        |bed: &Bed, id: &AttemptId| bed.look(&format!("/containers/{id}/json"))["Mounts"][0]["Name"].clone();
    let name = volume(&one, &first);
    assert_eq!(name, volume(&two, &second));
    let volumes = one.look("/volumes")["Volumes"].clone();
    let known = volumes.as_array().unwrap().iter().filter(|volume| volume["Name"] == name).count();
    assert_eq!(known, 1, "{volumes}");
}

pub(crate) async fn what_is_not_ours_stays_as_it_is() {
    let bed = Bed::new().await;
    let (foreign, id) = (Bed::new().await, new_id());
    foreign.scheduler.start(&id, &script(bed.image, "exec sleep 600")).await.unwrap();
    let before = bed.look(&format!("/containers/{id}/json"));
    let spec = script(bed.image, "exec sleep 600");
    assert_eq!(bed.scheduler.start(&id, &spec).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bed.scheduler.inspect(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bed.scheduler.stop(&id, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bed.scheduler.remove(&id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bed.scheduler.list().await.unwrap(), []);
    let after = bed.look(&format!("/containers/{id}/json"));
    assert_eq!(before["State"], after["State"]);
    assert_eq!(after["State"]["Running"], true);
}
