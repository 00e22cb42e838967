//! Engines for tests do what tests of containers rely on. Where there is no engine, these tests are ignored.

#![expect(clippy::expect_used, clippy::panic, reason = "a failed helper is a failed test, and says why")]

use std::process::ExitCode;

use gofer_testkit::docker::{Docker, Engine, engine_for_tests, test_image};
use gofer_testkit::wait_for_blocking;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let shared = engine_for_tests().err();
    let private = Engine::unavailable();
    let trials = vec![
        trial("the_test_image_runs_in_the_shared_engine", shared.clone(), runs_in_the_shared_engine),
        trial(
            "containers_outlive_an_engine_that_restores_them",
            private.clone(),
            containers_outlive_an_engine,
        ),
        trial("an_engine_leaves_nothing_behind", private, an_engine_leaves_nothing_behind),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that is ignored for a reason, which stands in its kind.
fn trial(name: &str, reason: Option<String>, test: fn()) -> Trial {
    let trial = Trial::test(name, move || {
        std::panic::catch_unwind(test).map_err(|_| Failed::from("it panicked; the message is above"))
    });
    match reason {
        Some(reason) => trial.with_ignored_flag(true).with_kind(reason),
        None => trial,
    }
}

/// Starts a container with this script and answers its id.
fn start(docker: &Docker, script: &str) -> String {
    let image = test_image(docker).expect("the test image");
    let body = format!(
        r#"{{"Image":"{image}","Cmd":["sh","-c","{script}"],"HostConfig":{{"NetworkMode":"none"}}}}"#
    );
    let made = docker.post("/containers/create", &body).expect("an answer").text();
    let id = text_at(&made, "Id").unwrap_or_else(|| panic!("{made}"));
    let started = docker.post(&format!("/containers/{id}/start"), "").expect("an answer");
    assert_eq!(started.status, 204, "{}", started.text());
    id
}

fn text_at(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    let end = rest.find([',', '}', '\n'])?;
    Some(rest[..end].trim_matches('"').to_owned())
}

fn pid(docker: &Docker, id: &str) -> u32 {
    let state = docker.get(&format!("/containers/{id}/json")).expect("an answer").text();
    text_at(&state, "Pid").and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("{state}"))
}

fn runs_in_the_shared_engine() {
    let docker = engine_for_tests().expect("an engine");
    let id = start(&docker, "test -w /tmp && id -un | grep -q root && exit 7");
    let waited = docker.post(&format!("/containers/{id}/wait"), "").expect("an answer").text();
    assert_eq!(text_at(&waited, "StatusCode").as_deref(), Some("7"), "{waited}");
    assert_eq!(docker.delete(&format!("/containers/{id}")).expect("an answer").status, 204);
}

fn containers_outlive_an_engine() {
    let mut engine = Engine::builder().live_restore().start();
    let id = start(engine.docker(), "exec sleep 600");
    let before = (engine.pid(), pid(engine.docker(), &id));
    engine.restart();
    assert_ne!(engine.pid(), before.0);
    assert_eq!(pid(engine.docker(), &id), before.1);
}

fn an_engine_leaves_nothing_behind() {
    let mut engine = Engine::builder().start();
    let id = start(engine.docker(), "exec sleep 600");
    let pid = pid(engine.docker(), &id);
    engine.kill9();
    assert!(is_there(pid), "the container goes on without its engine");
    let folder = engine.docker().socket().parent().expect("a folder").to_owned();
    drop(engine);
    wait_for_blocking("the end of the container", || if is_there(pid) { Err("it is there") } else { Ok(()) });
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    assert!(!mounts.contains(&folder.display().to_string()), "{mounts}");
    assert!(!folder.try_exists().expect("an answer"), "{} is left", folder.display());
}

fn is_there(pid: u32) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_ok()
}
