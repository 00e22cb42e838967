//! A scheduler of its own for each test, what it runs, and the way past it to the engine.

use futures_util::StreamExt;
use gofer_backend::Owner;
use gofer_scheduler::{LogCursor, LogItem, Scheduler, StreamKind, TaskExit, TaskSpec};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::{Docker, engine_for_tests, make_image, test_image};
use gofer_types::AttemptId;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::support;

/// Names each trial after its function.
macro_rules! trials {
    ($ignored:expr; $($module:ident::$name:ident),* $(,)?) => {
        vec![$($crate::bed::trial(stringify!($name), $ignored.clone(), || {
            $crate::support::block_on($module::$name());
        })),*]
    };
}
pub(crate) use trials;

/// A test that is ignored for a reason, which stands in its kind.
pub(crate) fn trial(name: &str, ignored: Option<String>, test: fn()) -> Trial {
    let trial = Trial::test(name, move || {
        std::panic::catch_unwind(test).map_err(|_| Failed::from("it panicked; the message is above"))
    });
    match ignored {
        Some(reason) => trial.with_ignored_flag(true).with_kind(reason),
        None => trial,
    }
}

/// Something that is in no other name.
pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A new id of an attempt.
pub(crate) fn new_id() -> AttemptId {
    AttemptId::from_u128(uuid::Uuid::new_v4().as_u128())
}

/// A task that runs this script.
pub(crate) fn script(image: &str, text: &str) -> TaskSpec {
    let command = ["sh", "-c", text].map(str::to_owned).to_vec();
    TaskSpec { image: image.to_owned(), command, digest: "d".to_owned(), ..TaskSpec::default() }
}

/// A scheduler that goes away with all that it started.
pub(crate) struct Bed {
    pub(crate) scheduler: DockerScheduler,
    pub(crate) docker: Docker,
    /// The image that all tests have.
    pub(crate) image: &'static str,
    pub(crate) owner: String,
    config: DockerConfig,
    _root: tempfile::TempDir,
}

impl Bed {
    /// A scheduler at the shared engine.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`Self::new`], with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut DockerConfig)) -> Self {
        Self::at(engine_for_tests().expect("an engine"), change).await
    }

    /// A scheduler at this engine.
    pub(crate) async fn at(docker: Docker, change: impl FnOnce(&mut DockerConfig)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut config = support::config(&docker.url());
        config.root = root.path().to_owned();
        change(&mut config);
        let owner = format!("gofer-test-{}", unique());
        let scheduler = DockerScheduler::open("test", Owner(owner.clone()), config.clone()).await.unwrap();
        let image = test_image(&docker).expect("the test image");
        Self { scheduler, docker, image, owner, config, _root: root }
    }

    /// Another scheduler of the same owner, as after a restart, with other settings.
    pub(crate) async fn again(&self, change: impl FnOnce(&mut DockerConfig)) -> DockerScheduler {
        let mut config = self.config.clone();
        change(&mut config);
        DockerScheduler::open("test", Owner(self.owner.clone()), config).await.unwrap()
    }

    /// Runs a task to its end, and answers how it ended and what it wrote to its standard output.
    pub(crate) async fn run(&self, spec: &TaskSpec) -> (TaskExit, String) {
        let id = new_id();
        self.scheduler.start(&id, spec).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
        self.result(&id).await
    }

    /// How a task ended that was started, and its standard output.
    pub(crate) async fn result(&self, id: &AttemptId) -> (TaskExit, String) {
        let exit = self.scheduler.wait(id).await.unwrap();
        let mut output = Vec::new();
        let mut chunks = self.scheduler.logs(id, LogCursor::start()).await.unwrap();
        while let Some(chunk) = chunks.next().await {
            match chunk.unwrap().item {
                LogItem::Data { stream: StreamKind::Out, bytes } => output.extend_from_slice(&bytes),
                LogItem::Data { bytes, .. } => eprintln!("{}", String::from_utf8_lossy(&bytes)),
                gap @ LogItem::Gap { .. } => panic!("{gap:?}"),
            }
        }
        (exit, String::from_utf8_lossy(&output).into_owned())
    }

    /// What the engine says of this; an empty value where it has nothing.
    pub(crate) fn look(&self, path: &str) -> Value {
        let answer = self.docker.get(path).unwrap();
        if answer.status == 200 { serde_json::from_slice(&answer.body).unwrap() } else { Value::Null }
    }

    /// A new image, made of the image that all tests have and these lines, such as `CMD ["true"]`.
    pub(crate) fn make_image(&self, name: &str, lines: &[&str]) {
        make_image(&self.docker, (self.image, name), lines);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let filter = format!("%7B%22label%22%3A%5B%22gofer.owner%3D{}%22%5D%7D", self.owner);
        let Value::Array(left) = self.look(&format!("/containers/json?all=1&filters={filter}")) else {
            return;
        };
        for container in left.iter().filter_map(|container| container["Id"].as_str()) {
            let _ = self.docker.delete(&format!("/containers/{container}?force=1&v=1"));
        }
    }
}
