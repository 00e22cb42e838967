//! An engine that is killed while ten tasks run, with and without keeping its containers alive, and one that is stopped:
//! every end is true, nothing is doubled, and no output has a hole, but for what the engine had in its hands when it was killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed, and says why")]

#[path = "support/consumer.rs"]
mod consumer;
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use consumer::{end_of, output_of, told};
use gofer_backend::Owner;
use gofer_scheduler::{Scheduler, StartOutcome, TaskSpec, TaskStatus};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::{Engine, test_image};
use gofer_testkit::{Waiter, World};
use gofer_types::AttemptId;
use libtest_mimic::{Arguments, Trial};
use tokio::task::JoinSet;

/// What is done to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9`; its next life ends the containers.
    Kill,
    /// `kill -9`; its next life takes its containers over.
    KillKeeping,
    /// SIGTERM; it ends its containers before it goes.
    Stop,
}

/// A task: what it does, and how it has to end after each blow.
struct Kind {
    name: &'static str,
    script: &'static str,
    ends: [&'static str; 3],
}

const fn kind(name: &'static str, script: &'static str, ends: [&'static str; 3]) -> Kind {
    Kind { name, script, ends }
}

/// `talk GATE PAUSE` writes numbered lines until the gate opens. The gate `down` opens while the engine is down, `later`
/// when it is there again. The columns are those of [`Blow`]. `cut`: the engine has not kept the last of the output, with
/// the record of the end in it, and the scheduler says so. An exit code is known nevertheless; a signal is then not.
#[rustfmt::skip]
const KINDS: [Kind; 10] = [
    kind("slow",       "talk down 0.05; leave; exit 7",                ["code 7 cut", "code 7 cut", "lost"]),
    kind("brisk",      "talk down 0.005; leave; exit 7",               ["code 7 cut", "code 7 cut", "lost"]),
    kind("burst",      "talk down 0.05; many 1500; leave; exit 7",     ["code 7 cut", "code 7 cut", "lost"]),
    kind("self",       "talk down 0.05; leave; kill -9 $$",            ["lost cut",   "lost cut",   "lost"]),
    kind("self-later", "talk later 0.05; kill -9 $$",                  ["lost",       "signal 9",   "lost"]),
    kind("on",         "talk later 0.05; exit 0",                      ["lost",       "code 0",     "lost"]),
    kind("on-brisk",   "talk later 0.005; exit 0",                     ["lost",       "code 0",     "lost"]),
    kind("held-up",    "talk down 0.05; many 60000; talk later 0.05",  ["lost",       "code 0",     "lost"]),
    kind("deaf",       "trap '' TERM; talk later 0.05; exit 3",        ["lost cut",   "code 3",     "lost cut"]),
    kind("polite",     "trap 'exit 5' TERM; talk later 0.05; exit 3",  ["code 5",     "code 5",     "code 5"]),
];

/// Says `line N`, and leaves a byte for each in a file before, so that it can be counted what was said.
const PRELUDE: &str = r#"
echo x >> /meet/mark-$name
n=0
say() { n=$((n+1)); printf x >> /meet/said-$name; echo "line $n"; }
many() { k=0; while [ $k -lt $1 ]; do k=$((k+1)); say; done; }
talk() { while [ ! -e /meet/gate-$1 ]; do say; sleep $2; done; }
leave() { : > /meet/left-$name; }
"#;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has an engine of its own, and they are slow enough one after the other.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let cases = [
        ("a_killed_engine_that_ends_its_containers_leaves_true_ends_and_whole_output", Blow::Kill),
        ("a_killed_engine_that_keeps_its_containers_leaves_them_running_and_whole", Blow::KillKeeping),
        ("a_stopped_engine_loses_its_tasks_and_says_so", Blow::Stop),
    ];
    let unavailable = Engine::unavailable();
    let trials = cases.into_iter().map(|(name, blow)| match &unavailable {
        Some(reason) => Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true),
        None => Trial::test(name, move || {
            support::block_on(survive(blow));
            Ok(())
        }),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// An engine, and where the tasks on it and the test meet.
struct Scene {
    engine: Engine,
    config: DockerConfig,
    world: World,
}

impl Scene {
    fn new(blow: Blow) -> Self {
        let builder = Engine::builder();
        let builder = if blow == Blow::KillKeeping { builder.live_restore() } else { builder };
        let engine = builder.start();
        test_image(engine.docker()).unwrap();
        let world = World::new();
        let mut config = support::config(&engine.docker().url());
        config.volumes = vec![("meet".to_owned(), "/meet".to_owned())];
        Self { engine, config, world }
    }

    /// Another instance of the scheduler, as after a restart of the server.
    async fn open(&self) -> Arc<DockerScheduler> {
        let config = DockerConfig { root: self.world.join("root"), ..self.config.clone() };
        Arc::new(DockerScheduler::open("test", Owner("restart".to_owned()), config).await.unwrap())
    }

    /// A file that the tasks see too; the engine is on this machine.
    fn meet(&self, name: &str) -> PathBuf {
        let folder = self.engine.docker().socket().with_file_name("data");
        folder.join("volumes/meet/_data").join(name)
    }

    fn open_gate(&self, name: &str) {
        std::fs::write(self.meet(&format!("gate-{name}")), "").unwrap();
    }

    fn length(&self, name: &str) -> usize {
        std::fs::metadata(self.meet(name)).map_or(0, |file| usize::try_from(file.len()).unwrap())
    }

    /// Waits until all these tasks have left a file that begins with this word.
    fn wait_for(&self, word: &str, least: usize, names: &[&str]) {
        for name in names {
            let file = format!("{word}-{name}");
            Waiter::new(&file).until_blocking(|| {
                let there = self.meet(&file).try_exists().unwrap() && self.length(&file) >= least;
                if there { Ok(()) } else { Err(self.length(&file)) }
            });
        }
    }
}

fn spec(kind: &Kind) -> TaskSpec {
    let script = format!("name={}\n{PRELUDE}\n{}", kind.name, kind.script);
    let command = ["sh", "-c", &script].map(str::to_owned).into();
    let image = gofer_testkit::docker::TEST_IMAGE.to_owned();
    TaskSpec { image, command, digest: format!("digest of {}", kind.name), ..TaskSpec::default() }
}

fn id(index: usize) -> AttemptId {
    AttemptId::from_u128(index as u128 + 1)
}

/// Who waits for an end and reads the output, from before the blow until after it.
type Followers = JoinSet<(usize, String, String, usize)>;

fn follow(followers: &mut Followers, scheduler: &Arc<DockerScheduler>) {
    for index in 0..KINDS.len() {
        let scheduler = Arc::clone(scheduler);
        followers.spawn(async move {
            let id = id(index);
            let (cause, (output, breaks)) = tokio::join!(end_of(&scheduler, &id), output_of(&scheduler, &id));
            let (output, cut) = output.split_once("<gap: ").unwrap_or((&output, ""));
            let cut = if cut.starts_with("it ended while the engine was down") { " cut" } else { cut };
            (index, format!("{}{cut}", told(&cause)), output.to_owned(), breaks)
        });
    }
}

async fn survive(blow: Blow) {
    let mut scene = Scene::new(blow);
    let old = scene.open().await;
    let mut handles = Vec::new();
    for (index, kind) in KINDS.iter().enumerate() {
        handles.push(old.start(&id(index), &spec(kind)).await.unwrap().handle);
    }
    let mut followers = Followers::new();
    follow(&mut followers, &old);
    scene.wait_for("said", 10, &KINDS.map(|kind| kind.name));
    strike(&mut scene, blow);
    let fresh = scene.open().await;
    follow(&mut followers, &fresh);
    if blow == Blow::KillKeeping {
        still_run(&old, &handles).await;
        still_run(&fresh, &handles).await;
        let polite = KINDS.iter().position(|kind| kind.name == "polite").unwrap();
        old.stop(&id(polite), consumer::LIMIT).await.unwrap();
    }
    scene.open_gate("later");
    let answers = followers.join_all().await;
    let complaints: Vec<String> = answers.iter().flat_map(|answer| wrong(&scene, blow, answer)).collect();
    assert!(complaints.is_empty(), "{blow:?}:\n{}", complaints.join("\n"));
    for (index, kind) in KINDS.iter().enumerate() {
        let again = fresh.start(&id(index), &spec(kind)).await.unwrap();
        assert_eq!((again.outcome, &again.handle), (StartOutcome::Adopted, &handles[index]), "{}", kind.name);
        assert_eq!(scene.length(&format!("mark-{}", kind.name)), 2, "{} ran once", kind.name);
        fresh.remove(&id(index)).await.unwrap();
    }
}

/// The blow, what happens meanwhile, and the engine's next life.
fn strike(scene: &mut Scene, blow: Blow) {
    if blow == Blow::Stop {
        scene.engine.stop();
    } else {
        scene.engine.kill9();
        scene.open_gate("down");
        scene.wait_for("left", 0, &["slow", "brisk", "burst", "self"]);
        // More than all buffers between a task and its engine hold.
        scene.wait_for("said", 20_000, &["held-up"]);
    }
    scene.engine.start_again();
}

/// The tasks that have nothing to do with the blow run on, and under the same handle.
async fn still_run(scheduler: &DockerScheduler, handles: &[String]) {
    for (index, kind) in KINDS.iter().enumerate().filter(|(_, kind)| !kind.script.starts_with("talk down")) {
        let inspect = || async { scheduler.inspect(&id(index)).await.map_err(|fault| fault.chain()) };
        let status = Waiter::new(kind.name).until(inspect).await;
        assert_eq!(status, TaskStatus::Running { handle: handles[index].clone() }, "{}", kind.name);
    }
}

/// What is wrong with an end and an output.
fn wrong(
    scene: &Scene,
    blow: Blow,
    (index, end, output, breaks): &(usize, String, String, usize),
) -> Vec<String> {
    let Kind { name, ends, .. } = &KINDS[*index];
    let mut wrong = Vec::new();
    if end != ends[blow as usize] {
        wrong.push(format!("`{name}` ended with {end}"));
    }
    let lines: Vec<&str> = output.lines().collect();
    let said = scene.length(&format!("said-{name}"));
    let numbers: Vec<usize> = lines
        .iter()
        .map(|line| line.strip_prefix("line ").and_then(|number| number.parse().ok()).unwrap_or(0))
        .collect();
    let (holes, missing) = holes(&numbers);
    // what a killed engine had taken from the task and not stored yet is gone with it, and nobody can tell
    let most = usize::from(blow != Blow::Stop);
    if holes > most {
        wrong.push(format!("`{name}`: {holes} holes in {said} lines, whose output broke off {breaks} times"));
    }
    // The last line of a task that was ended from outside may have been counted and not been said.
    let least = match end.as_str() {
        cut if cut.ends_with("cut") => 1,
        "lost" | "code 5" => said - 1,
        _ => said,
    };
    if !(least..=said).contains(&(lines.len() + missing)) {
        wrong.push(format!("`{name}`: {} of {said} lines, and {missing} in holes", lines.len()));
    }
    wrong
}

/// How often numbers are not the next one, and how many are left out. One that stands twice, or is none, counts as many holes.
fn holes(numbers: &[usize]) -> (usize, usize) {
    let (mut holes, mut missing, mut last) = (0, 0, 0);
    for number in numbers {
        match number.checked_sub(last + 1) {
            Some(0) => {}
            Some(left_out) => (holes, missing) = (holes + 1, missing + left_out),
            None => return (usize::MAX, 0),
        }
        last = *number;
    }
    (holes, missing)
}
