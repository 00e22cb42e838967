//! An engine that answers late, wrongly, by half or not at all: every call keeps its deadline, nothing runs twice, no wait
//! is stuck, and the number of connections is bounded.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has failed, and says why"
)]

#[path = "support/consumer.rs"]
mod consumer;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scene.rs"]
mod scene;
#[path = "support/shared.rs"]
mod shared;
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use consumer::{LIMIT, end_of, output_of, told};
use futures_util::future::{LocalBoxFuture, join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_artefacts::Limits;
use gofer_backend::{ErrorKind, Owner, Result};
use gofer_scheduler::{Files, Scheduler, StartOutcome, Started, TaskSpec, TaskStatus};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::Docker;
use gofer_testkit::{Waiter, World};
use gofer_types::AttemptId;
use libtest_mimic::{Arguments, Trial};
use proxy::{Fault, Proxy};
use scene::{AT_ONCE, LONG, SHORT, Scene, archive_of_one_file, sh};

type Case = fn(String) -> LocalBoxFuture<'static, ()>;

const CASES: [(&str, Case); 15] = [
    ("a_call_that_is_never_answered_ends_at_its_deadline", |url| Box::pin(silent_calls(url))),
    ("a_stop_whose_signals_are_not_answered_goes_on_until_one_is", |url| Box::pin(silent_kills(url))),
    ("a_start_that_was_answered_badly_is_repeated_and_runs_once", |url| Box::pin(ambiguous_starts(url))),
    ("a_start_that_the_engine_refused_at_first_works_later", |url| Box::pin(refused_starts(url))),
    ("files_are_laid_and_taken_again_when_the_engine_broke_off", |url| Box::pin(broken_files(url))),
    ("a_delay_within_the_deadline_is_no_error", |url| Box::pin(delays(url))),
    ("an_answer_that_is_cut_in_half_is_no_answer", |url| Box::pin(halves(url))),
    ("a_stream_of_events_that_is_cut_off_is_followed_anew", |url| Box::pin(cut_events(url))),
    ("a_stream_of_events_that_stays_silent_holds_no_wait_up_for_ever", |url| Box::pin(mute_events(url))),
    ("events_that_cannot_be_followed_at_all_hold_no_wait_up_for_ever", |url| Box::pin(no_events(url))),
    ("output_that_is_cut_off_goes_on_without_hole_or_double", |url| Box::pin(cut_logs(url))),
    ("an_engine_that_appears_later_is_used_without_opening_again", |url| Box::pin(late_engine(url))),
    ("calls_take_no_more_connections_than_they_may", |url| Box::pin(connections_of_calls(url))),
    ("waits_take_no_connections", |url| Box::pin(connections_of_waits(url))),
    ("each_followed_output_takes_one_connection", |url| Box::pin(connections_of_logs(url))),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let engine = shared::engine();
    let trials = CASES.into_iter().map(|(name, case)| match &engine {
        Err(reason) => Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true),
        Ok((url, _)) => {
            let url = url.clone();
            Trial::test(name, move || {
                support::block_on(case(url));
                Ok(())
            })
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The kind of the error, which has to come long before a deadline of the usual length.
async fn fails<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) -> ErrorKind {
    let answer = tokio::time::timeout(Duration::from_secs(10), call).await;
    answer.expect("the deadline is kept").expect_err("there is no answer").kind()
}

async fn silent_calls(url: String) {
    let scene = Scene::new(&url, SHORT).await;
    let id = scene.running("sleep 600").await;
    for method in ["GET", "POST", "DELETE"] {
        scene.proxy.fault(method, "/", Fault::Silence, usize::MAX);
    }
    let late = [ErrorKind::TimedOut, ErrorKind::Unavailable];
    let hurt = &scene.hurt;
    assert!(late.contains(&fails(hurt.check()).await), "check");
    assert!(late.contains(&fails(hurt.inspect(&id)).await), "inspect");
    assert!(late.contains(&fails(hurt.wait(&id)).await), "wait");
    assert!(late.contains(&fails(hurt.start(&scene.id(), &sh("true"))).await), "start");
    assert!(late.contains(&fails(hurt.stop(&id, Duration::ZERO)).await), "stop");
    assert!(late.contains(&fails(hurt.list()).await), "list");
    assert!(late.contains(&fails(hurt.remove(&id)).await), "remove");
    let logs = async { hurt.logs(&id, Default::default()).await.map(drop) };
    assert!(late.contains(&fails(logs).await), "logs");
    assert!(scene.proxy.met() > 0);
    assert!(matches!(scene.direct.inspect(&id).await.unwrap(), TaskStatus::Running { .. }));
    scene.tidy().await;
}

async fn silent_kills(url: String) {
    let scene = Scene::new(&url, Duration::from_secs(2)).await;
    let id = scene.running("trap '' TERM; sleep 600 & wait; wait; wait").await;
    scene.proxy.fault("POST", "/kill", Fault::Silence, 1);
    assert_eq!(
        fails(scene.hurt.stop(&id, LIMIT)).await,
        ErrorKind::TimedOut,
        "the polite request is not repeated"
    );
    scene.proxy.fault("POST", "/kill", Fault::Silence, 2);
    scene.hurt.stop(&id, Duration::ZERO).await.unwrap();
    assert_eq!(scene.proxy.met(), 3);
    assert_eq!(told(&end_of(&scene.hurt, &id).await), "signal 9");
    scene.tidy().await;
}

/// The start again and again, as the engine of gofer does it, until it is answered.
async fn started(scheduler: &DockerScheduler, id: &AttemptId, spec: &TaskSpec) -> (Started, Vec<ErrorKind>) {
    let faults = std::sync::Mutex::new(Vec::new());
    let start = || async {
        let answer = scheduler.start(id, spec).await;
        answer.map_err(|fault| {
            faults.lock().unwrap().push(fault.kind());
            fault.chain()
        })
    };
    let started = Waiter::new("the start").limit(LIMIT).until(start).await;
    (started, faults.into_inner().unwrap())
}

async fn ambiguous_starts(url: String) {
    use Fault::{Half, LoseAnswer, RefuseAfterwards, SilenceAfterwards};
    for path in ["/containers/create", "/start"] {
        for fault in [LoseAnswer, Half, RefuseAfterwards(500), SilenceAfterwards] {
            let scene = Scene::new(&url, Duration::from_secs(5)).await;
            // The first process is brought by then.
            scene.hurt.start(&scene.id(), &sh("true")).await.unwrap();
            scene.proxy.fault("POST", path, fault, 1);
            let id = scene.id();
            let (started, faults) = started(&scene.hurt, &id, &sh("echo once")).await;
            let what = format!("{path} and {fault:?}, with {faults:?} on the way");
            assert!(faults.iter().all(|kind| kind.outcome_unknown()), "{what}");
            assert_eq!(scene.proxy.met(), 1, "{what}");
            let adopted = started.outcome == StartOutcome::Adopted;
            assert_eq!(adopted, !faults.is_empty(), "{what}");
            assert_eq!(told(&end_of(&scene.hurt, &id).await), "code 0", "{what}");
            assert_eq!(output_of(&scene.hurt, &id).await.0, "once\n", "{what}");
            assert_eq!(scene.direct.list().await.unwrap().len(), 2, "{what}");
            scene.tidy().await;
        }
    }
}

async fn broken_files(url: String) {
    use Fault::{Half, LoseAnswer, Refuse, SilenceAfterwards};
    let faults = [
        ("POST", "/containers/create", LoseAnswer),
        // What an earlier call began is still being carried out.
        ("POST", "/containers/create", Refuse(409)),
        ("DELETE", "/containers/", Refuse(409)),
        ("HEAD", "/archive", Refuse(500)),
        ("PUT", "/archive", Refuse(500)),
        ("PUT", "/archive", Refuse(404)),
        ("PUT", "/archive", LoseAnswer),
        ("PUT", "/archive", SilenceAfterwards),
        ("GET", "/archive", Half),
    ];
    let limits = Limits::default();
    for (method, path, fault) in faults {
        let scene = Scene::new(&url, Duration::from_secs(5)).await;
        let (id, spec) = (scene.id(), TaskSpec { workdir: Some("/work".to_owned()), ..sh("cat a") });
        // It is made anew.
        scene.hurt.lay(&id, &spec, archive_of_one_file(), &limits).await.unwrap();
        scene.proxy.fault(method, path, fault, 1);
        let lay = || async {
            let answer = scene.hurt.lay(&id, &spec, archive_of_one_file(), &limits).await;
            answer
                .inspect_err(|fault| assert!(fault.kind().outcome_unknown(), "{}", fault.chain()))
                .map_err(|f| f.chain())
        };
        Waiter::new("the laying").limit(LIMIT).until(lay).await;
        scene.hurt.start(&id, &spec).await.unwrap();
        assert_eq!(told(&end_of(&scene.hurt, &id).await), "code 0", "{method} {path} {fault:?}");
        assert_eq!(output_of(&scene.hurt, &id).await.0, "once\n", "{method} {path} {fault:?}");
        let take = || async {
            let taken = scene.hurt.take(&id, &["a".to_owned()], &limits).await;
            let taken = taken.map_err(|fault| fault.chain())?;
            taken.try_collect::<Vec<_>>().await.map(|parts| parts.concat()).map_err(|fault| fault.chain())
        };
        assert!(Waiter::new("the taking").limit(LIMIT).until(take).await.len() > 1024);
        assert_eq!(scene.proxy.met(), 1, "{method} {path} {fault:?}");
        scene.tidy().await;
    }
}

async fn refused_starts(url: String) {
    for path in ["/containers/create", "/start"] {
        let scene = Scene::new(&url, LONG).await;
        scene.hurt.start(&scene.id(), &sh("true")).await.unwrap();
        scene.proxy.fault("POST", path, Fault::Refuse(500), 2);
        let id = scene.id();
        let (_, faults) = started(&scene.hurt, &id, &sh("echo once")).await;
        assert_eq!(faults, [ErrorKind::Unavailable; 2], "{path}");
        assert_eq!(told(&end_of(&scene.hurt, &id).await), "code 0", "{path}");
        scene.tidy().await;
    }
}

async fn delays(url: String) {
    let scene = Scene::new(&url, LONG).await;
    for (method, path) in
        [("POST", "/containers/create"), ("POST", "/start"), ("GET", "/json"), ("GET", "/logs")]
    {
        scene.proxy.fault(method, path, Fault::Delay(SHORT), 3);
    }
    let id = scene.id();
    assert_eq!(scene.hurt.start(&id, &sh("echo late; exit 3")).await.unwrap().outcome, StartOutcome::Created);
    assert_eq!(told(&scene.hurt.wait(&id).await.unwrap().cause), "code 3");
    assert_eq!(output_of(&scene.hurt, &id).await, ("late\n".to_owned(), 0));
    scene.tidy().await;
}

async fn halves(url: String) {
    let scene = Scene::new(&url, LONG).await;
    let id = scene.running("sleep 600").await;
    scene.hurt.inspect(&id).await.unwrap();
    scene.proxy.fault("GET", "/containers/", Fault::Half, 2);
    assert_eq!(fails(scene.hurt.inspect(&id)).await, ErrorKind::Unavailable);
    assert_eq!(fails(scene.hurt.wait(&id)).await, ErrorKind::Unavailable);
    assert!(matches!(scene.hurt.inspect(&id).await.unwrap(), TaskStatus::Running { .. }));
    scene.tidy().await;
}

async fn cut_events(url: String) {
    for fault in [
        Fault::Cut(0),
        Fault::Cut(1),
        Fault::Cut(200),
        Fault::Cut(400),
        Fault::Refuse(500),
        Fault::LoseAnswer,
    ] {
        let scene = Scene::new(&url, LONG).await;
        let socket = PathBuf::from(url.strip_prefix("unix://").unwrap());
        scene.proxy.fault("GET", "/events", fault, 3);
        let ids = join_all([3, 4, 5].map(|code| scene.id_of(code))).await;
        let ends = join_all(ids.iter().map(|id| end_of(&scene.hurt, id))).await;
        assert_eq!(ends.iter().map(told).collect::<Vec<_>>(), ["code 3", "code 4", "code 5"], "{fault:?}");
        // Killed by an operator, with a stream that is there by now.
        let id = scene.running("sleep 600").await;
        let wait = end_of(&scene.hurt, &id);
        let kill = async { Docker::at(socket).post(&format!("/containers/{id}/kill"), "").unwrap() };
        let (end, _) = tokio::join!(wait, kill);
        assert!(["signal 9", "lost"].contains(&told(&end).as_str()), "{fault:?}: {end:?}");
        scene.tidy().await;
    }
}

async fn mute_events(url: String) {
    let scene = Scene::new(&url, Duration::from_secs(2)).await;
    scene.proxy.fault("GET", "/events", Fault::Mute, usize::MAX);
    waits_end(&url, scene).await;
}

async fn no_events(url: String) {
    let scene = Scene::new(&url, Duration::from_secs(2)).await;
    scene.proxy.fault("GET", "/events", Fault::Cut(0), usize::MAX);
    scene.proxy.fault("GET", "/containers/json", Fault::Refuse(500), usize::MAX);
    waits_end(&url, scene).await;
}

async fn waits_end(url: &str, scene: Scene) {
    let gone = scene.running("sleep 600").await;
    let (three, wait_gone) = (scene.id_of(3).await, scene.hurt.wait(&gone));
    let remove = async {
        let docker = Docker::at(url.strip_prefix("unix://").unwrap());
        docker.delete(&format!("/containers/{gone}?force=1")).unwrap()
    };
    let all = async { tokio::join!(end_of(&scene.hurt, &three), wait_gone, remove) };
    let (end, gone, _) = tokio::time::timeout(LIMIT, all).await.expect("no wait is stuck");
    assert_eq!(told(&end), "code 3");
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    scene.tidy().await;
}

async fn cut_logs(url: String) {
    let scene = Scene::new(&url, LONG).await;
    let id = scene.running("seq 1 3000; for n in 1 2 3 4 5; do sleep 0.2; seq 1 500; done").await;
    for length in [0, 3, 100, 5000, 30_001, 60_002, 100_003] {
        scene.proxy.fault("GET", "/logs", Fault::Cut(length), 1);
    }
    let (output, breaks) = output_of(&scene.hurt, &id).await;
    let numbers = |to: u32| (1..=to).map(|number| format!("{number}\n")).collect::<String>();
    assert!(
        output == [numbers(3000), numbers(500).repeat(5)].concat(),
        "{} bytes, {breaks} breaks",
        output.len()
    );
    assert!(breaks >= 5, "{breaks}");
    scene.tidy().await;
}

async fn late_engine(url: String) {
    let world = World::new();
    let socket = world.join("late.sock");
    let config =
        DockerConfig { root: world.join("root"), ..support::config(&format!("unix://{}", socket.display())) };
    let owner = format!("faults-{}", uuid::Uuid::new_v4().simple());
    let scheduler = DockerScheduler::open("test", Owner(owner), config).await.unwrap();
    assert_eq!(fails(scheduler.check()).await, ErrorKind::Unavailable);
    let id = AttemptId::from_u128(uuid::Uuid::new_v4().as_u128());
    assert_eq!(fails(scheduler.start(&id, &sh("exit 3"))).await, ErrorKind::Unavailable);
    let _proxy = Proxy::start(socket, &PathBuf::from(url.strip_prefix("unix://").unwrap()));
    scheduler.check().await.unwrap();
    scheduler.start(&id, &sh("echo here; exit 3")).await.unwrap();
    assert_eq!(told(&end_of(&scheduler, &id).await), "code 3");
    assert_eq!(output_of(&scheduler, &id).await.0, "here\n");
    scheduler.remove(&id).await.unwrap();
}

const TASKS: usize = 200;
const FOLLOWED: usize = 40;
/// What the settings allow.
const CALLS: usize = 32;

async fn crowd(scene: &Scene, size: usize) -> Vec<AttemptId> {
    let ids: Vec<AttemptId> = (0..size).map(|_| scene.id()).collect();
    let spec = sh("trap 'exit 3' TERM; echo here; sleep 600 & wait");
    join_all(ids.iter().map(|id| started(&scene.hurt, id, &spec))).await;
    ids
}

/// Ends all of them, as fast as an engine that has other work takes it.
async fn end_all(scene: &Scene, ids: &[AttemptId]) {
    let stops = stream::iter(ids).map(|id| scene.direct.stop(id, LIMIT));
    let stopped = stops.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    assert!(stopped.iter().all(Result::is_ok), "{stopped:?}");
}

/// Waits until exactly so many connections are open.
async fn open_connections(scene: &Scene, count: usize) {
    let open = || async {
        let open = scene.proxy.open();
        if open == count { Ok(()) } else { Err(open) }
    };
    Waiter::new(format!("{count} connections")).limit(LIMIT).until(open).await;
}

async fn connections_of_waits(url: String) {
    let scene = Scene::new(&url, LONG).await;
    let ids = crowd(&scene, TASKS).await;
    let waits = join_all(ids.iter().map(|id| end_of(&scene.hurt, id)));
    let rest = async {
        // That of the events.
        open_connections(&scene, 1).await;
        end_all(&scene, &ids).await;
    };
    let (ends, ()) = tokio::join!(waits, rest);
    assert!(ends.iter().all(|end| told(end) == "code 3"), "{ends:?}");
    scene.tidy().await;
}

async fn connections_of_calls(url: String) {
    let scene = Scene::new(&url, LONG).await;
    open_connections(&scene, 1).await;
    scene.proxy.fault("GET", "/containers/", Fault::Silence, usize::MAX);
    let most = scene.proxy.most();
    assert!(most <= 3, "{most} connections before there was a task");
    let ids: Vec<AttemptId> = (0..TASKS).map(|_| scene.id()).collect();
    let calls = join_all(ids.iter().map(|id| scene.hurt.inspect(id)));
    // The events have one more, or are about to have it.
    let enough = || async { if scene.proxy.open() >= CALLS { Ok(()) } else { Err(scene.proxy.open()) } };
    let reach = Waiter::new("all connections").until(enough);
    tokio::select! {
        _ = calls => panic!("nothing is answered"),
        () = reach => {}
    }
    let most = scene.proxy.most();
    assert!(most <= CALLS + 2, "{most} connections at a time");
    scene.tidy().await;
}

async fn connections_of_logs(url: String) {
    let scene = Scene::new(&url, LONG).await;
    let ids = crowd(&scene, FOLLOWED).await;
    let outputs = join_all(ids.iter().map(|id| output_of(&scene.hurt, id)));
    let rest = async {
        open_connections(&scene, 1 + FOLLOWED).await;
        end_all(&scene, &ids).await;
    };
    let (outputs, ()) = tokio::join!(outputs, rest);
    assert!(outputs.iter().all(|(output, _)| output == "here\n"));
    scene.tidy().await;
}
