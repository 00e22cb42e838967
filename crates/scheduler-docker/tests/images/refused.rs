//! What cannot be fetched, and what is said of it.

use std::net::TcpListener;

use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
use gofer_scheduler::{RegistryAuth, Scheduler, TaskSpec};
use gofer_scheduler_docker::Registry as Known;
use gofer_testkit::wait_for;
use gofer_types::{Cause, SecretValue, Span};

use crate::bed::{Bed, new_id, script};
use gofer_testkit::docker::{PASSWORD, Registry, USER};

const LATER: RetryAdvice = RetryAdvice::Later { after: None };

/// What a caller decides by, and what people read first.
fn told(fault: &BackendError) -> (ErrorKind, RetryAdvice, &str) {
    (fault.kind(), fault.advice(), fault.message())
}

fn as_user(spec: &TaskSpec, password: &str) -> TaskSpec {
    let auth = RegistryAuth { user: USER.to_owned(), password: SecretValue::new(password) };
    TaskSpec { registry_auth: Some(auth), ..spec.clone() }
}

/// A registry with an image that takes a password, and a task that wants it.
fn guarded(bed: &Bed) -> (Registry, Registry, TaskSpec) {
    let open = Registry::start();
    open.publish(&bed.docker, "app:1");
    let guarded = open.guarded();
    let spec = script(&guarded.name("app:1"), "true");
    (open, guarded, spec)
}

pub(crate) async fn a_missing_tag_and_a_missing_repository_are_no_such_image() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    registry.publish(&bed.docker, "app:1");
    for name in ["app:2", "never/made:1"] {
        let fault = bed.refused(&script(&registry.name(name), "true")).await;
        assert_eq!(
            told(&fault),
            (ErrorKind::InvalidInput, RetryAdvice::Never, "there is no such image"),
            "{name}"
        );
        assert!(fault.chain().contains(name), "{}", fault.chain());
    }
}

pub(crate) async fn a_malformed_name_is_refused_before_anybody_is_asked() {
    let bed = Bed::new().await;
    // Nobody listens there.
    for name in ["UPPER/case:1", "a:b:c", "a/../../info", "a b", "a@sha256:12", "a:-1"] {
        let fault = bed.refused(&script(&format!("127.0.0.1:1/{name}"), "true")).await;
        let wanted = (ErrorKind::InvalidInput, RetryAdvice::Never, "the name of the image is malformed");
        assert_eq!(told(&fault), wanted, "{name}: {}", fault.chain());
    }
}

pub(crate) async fn a_wrong_password_is_told_apart_from_none() {
    let bed = Bed::new().await;
    let (_open, _guarded, spec) = guarded(&bed);
    let none = bed.refused(&spec).await;
    let wrong = bed.refused(&as_user(&spec, "wrong")).await;
    let unauthenticated = |message| (ErrorKind::Unauthenticated, RetryAdvice::Never, message);
    assert_eq!(told(&none), unauthenticated("the registry asks for credentials"), "{}", none.chain());
    assert_eq!(told(&wrong), unauthenticated("the registry refuses the credentials"), "{}", wrong.chain());
    assert!(bed.fetch(&as_user(&spec, PASSWORD)).await.unwrap().fetched);
}

pub(crate) async fn the_credentials_of_a_task_win_over_the_operator_s() {
    let bed = Bed::new().await;
    let (_open, guarded, spec) = guarded(&bed);
    let operator = |password: &str| {
        let known = Known::new(USER, password);
        let host = guarded.host();
        move |config: &mut gofer_scheduler_docker::DockerConfig| drop(config.registries.insert(host, known))
    };
    let fetch = async |operator_s: &str, spec: TaskSpec| {
        let scheduler = bed.again(operator(operator_s)).await;
        scheduler.images().unwrap().fetch(&spec, &mut |_| {}).await
    };
    let refused = fetch(PASSWORD, as_user(&spec, "wrong")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{}", refused.chain());
    assert!(fetch("wrong", as_user(&spec, PASSWORD)).await.unwrap().fetched);
    gofer_testkit::docker::forget_image(&bed.docker, &spec.image);
    assert!(fetch(PASSWORD, spec).await.unwrap().fetched);
}

pub(crate) async fn the_operator_s_password_comes_from_its_file_at_each_fetch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let text = format!(r#"{{"user": "{USER}", "password_file": "{}"}}"#, file.display());
    let known: Known = serde_json::from_str(&text).unwrap();
    let bed = Bed::new().await;
    let (_open, guarded, spec) = guarded(&bed);
    let scheduler = bed.again(|config| drop(config.registries.insert(guarded.host(), known))).await;
    let fetch = async || scheduler.images().unwrap().fetch(&spec, &mut |_| {}).await;
    let unread = fetch().await.unwrap_err();
    assert_eq!(unread.kind(), ErrorKind::PermissionDenied, "{}", unread.chain());
    std::fs::write(&file, "wrong").unwrap();
    assert_eq!(fetch().await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    assert!(fetch().await.unwrap().fetched);
}

pub(crate) async fn a_registry_that_is_down_may_be_asked_again_later() {
    let (mut registry, bed) = (Registry::start(), Bed::new().await);
    let (name, _) = registry.publish(&bed.docker, "app:1");
    registry.stop();
    let fault = bed.refused(&script(&name, "true")).await;
    let wanted = (ErrorKind::Unavailable, LATER, "the registry cannot be reached");
    assert_eq!(told(&fault), wanted, "{}", fault.chain());
}

/// An address that takes connections and says nothing.
fn silent() -> (TcpListener, TaskSpec) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("127.0.0.1:{}/app:1", listener.local_addr().unwrap().port());
    (listener, script(&name, "true"))
}

pub(crate) async fn a_registry_that_never_answers_ends_at_the_time_limit_and_frees_its_slot() {
    let bed = Bed::with(|config| {
        config.max_pulls = 1;
        config.pull_timeout = Span::from_secs(2);
    });
    let (registry, bed, (_listener, mute)) = (Registry::start(), bed.await, silent());
    let fault = bed.refused(&mute).await;
    let wanted = (ErrorKind::TimedOut, RetryAdvice::Never, "the image was not fetched within its time limit");
    assert_eq!(told(&fault), wanted, "{}", fault.chain());
    let (name, _) = registry.publish(&bed.docker, "app:1");
    assert!(bed.fetch(&script(&name, "true")).await.unwrap().fetched);
}

pub(crate) async fn a_fetch_that_waits_its_turn_does_not_use_up_its_time() {
    let bed = Bed::with(|config| {
        config.max_pulls = 1;
        config.pull_timeout = Span::from_secs(2);
    });
    let (registry, bed, (listener, mute)) = (Registry::start(), bed.await, silent());
    let (name, _) = registry.publish(&bed.docker, "app:1");
    let spec = script(&name, "true");
    let other = async {
        // The engine is at the other one: its turn has begun.
        listener.set_nonblocking(true).unwrap();
        let connected = async || listener.accept().map(drop);
        wait_for("the engine at the silent registry", connected).await;
        bed.fetch(&spec).await
    };
    let (fault, fetched) = tokio::join!(bed.refused(&mute), other);
    assert_eq!(fault.kind(), ErrorKind::TimedOut);
    assert!(fetched.unwrap().fetched);
}

pub(crate) async fn a_password_is_in_no_message_and_not_in_the_container() {
    let bed = Bed::new().await;
    let (open, guarded, spec) = guarded(&bed);
    let known = Known::new(USER, PASSWORD);
    let scheduler = bed.again(|config| drop(config.registries.insert(guarded.host(), known))).await;
    let mine = as_user(&spec, PASSWORD);
    let mut texts = vec![format!("{scheduler:?} {mine:?}"), serde_json::to_string(&mine).unwrap()];
    let (_listener, mute) = silent();
    let short = bed.again(|config| config.pull_timeout = Span::from_millis(200)).await;
    for (scheduler, name) in
        [(&scheduler, guarded.name("app:2")), (&scheduler, open.name("never:1")), (&short, mute.image)]
    {
        let spec = TaskSpec { image: name, ..mine.clone() };
        let fault = scheduler.images().unwrap().fetch(&spec, &mut |_| {}).await.unwrap_err();
        texts.push(format!("{fault:?} {fault} {}", fault.chain()));
    }
    // Where somebody else's password is refused, it is not repeated.
    let other = bed.refused(&as_user(&spec, "canary-wrong")).await;
    texts.push(format!("{other:?} {}", other.chain()));
    bed.fetch(&mine).await.unwrap();
    let id = new_id();
    let started = bed.scheduler.start(&id, &mine).await.unwrap();
    assert_eq!(bed.result(&id).await.0.cause, Cause::ExitCode(0));
    texts.push(format!("{started:?}"));
    texts.push(bed.look(&format!("/containers/{id}/json")).to_string());
    texts.push(bed.look(&format!("/images/{}/json", mine.image)).to_string());
    for text in texts {
        assert!(text.len() > 10 && !text.contains("canary"), "{text}");
    }
}
