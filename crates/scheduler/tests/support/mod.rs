//! How the suite reaches the fake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{Clock, Owner};
use gofer_scheduler::conformance::{Harness, Step};
use gofer_scheduler::fake::{Defect, Defective, FakeBackend};
use gofer_scheduler::{Capabilities, Scheduler, StreamKind, TaskSpec};
use gofer_types::Timestamp;
use tokio::time::Instant;

/// Real time.
#[derive(Debug)]
pub(crate) struct HostClock(Instant);

impl HostClock {
    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        match self.0.checked_add(deadline) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

/// The fake, with a defect or without.
pub(crate) struct FakeHarness {
    pub(crate) backend: FakeBackend,
    pub(crate) defect: Option<Defect>,
    pub(crate) patience: Duration,
    strangers: AtomicU32,
}

impl FakeHarness {
    pub(crate) fn new(defect: Option<Defect>, bare: bool) -> Self {
        let backend = FakeBackend::new(Arc::new(HostClock::start()));
        let backend = if bare { backend.with_capabilities(Capabilities::default()) } else { backend };
        Self { backend, defect, patience: Duration::from_secs(20), strangers: AtomicU32::new(0) }
    }

    fn connect_as(&self, owner: &str) -> Arc<dyn Scheduler> {
        let owner = Owner(owner.to_owned());
        match self.defect {
            None => Arc::new(self.backend.connect(&owner)),
            Some(defect) => Arc::new(Defective::connect(&self.backend, &owner, defect)),
        }
    }
}

fn word(step: &Step) -> String {
    let twin = |stream: &StreamKind| if *stream == StreamKind::Err { "e" } else { "" };
    match step {
        Step::Print(stream, bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}hex={hex}", twin(stream))
        }
        Step::Count(stream, to) => format!("{}count={to}", twin(stream)),
        Step::LongLine(stream, length) => format!("{}line={length}", twin(stream)),
        Step::Exit(code) => format!("exit={code}"),
        Step::Kill(signal) => format!("signal={signal}"),
        Step::Gate(name) => format!("gate={name}"),
        Step::Forever => "hang".to_owned(),
        Step::IgnoreTerm => "ignore_term".to_owned(),
        Step::ExitOnTerm(code) => format!("on_term={code}"),
        Step::UseMemory(size) => format!("memory={size}"),
        Step::Leave(name) => format!("leave={name}"),
        Step::Witness(name) => format!("witness={name}"),
        Step::ShowFile(path) => format!("show={path}"),
        Step::LeaveFile { path, content, executable } => {
            let name = if *executable { "program" } else { "file" };
            format!("{name}={path}:{}", String::from_utf8_lossy(content))
        }
        Step::LeaveLink { path, target } => format!("link={path}:{target}"),
        Step::PrintEnv => "env".to_owned(),
        Step::PrintArgs(_) => "args".to_owned(),
    }
}

#[async_trait]
impl Harness for FakeHarness {
    async fn connect(&self) -> Arc<dyn Scheduler> {
        self.connect_as("ours")
    }

    async fn connect_stranger(&self) -> Arc<dyn Scheduler> {
        self.connect_as(&format!("stranger-{}", self.strangers.fetch_add(1, Ordering::Relaxed)))
    }

    fn task(&self, steps: &[Step]) -> TaskSpec {
        let mut command = if steps.is_empty() { vec!["fake:".to_owned()] } else { Vec::new() };
        for step in steps {
            command.push(format!("fake:{}", word(step)));
            if let Step::PrintArgs(arguments) = step {
                command.extend(arguments.iter().cloned());
            }
        }
        TaskSpec { image: "suite:1".to_owned(), command, ..TaskSpec::default() }
    }

    fn missing_image(&self) -> TaskSpec {
        TaskSpec { image: "fake:missing".to_owned(), ..self.task(&[]) }
    }

    fn exec_command(&self, steps: &[Step]) -> Vec<String> {
        self.task(steps).command
    }

    fn cat_command(&self) -> Vec<String> {
        vec!["fake:cat".to_owned()]
    }

    fn missing_program(&self) -> TaskSpec {
        TaskSpec { command: vec!["fake:no_program".to_owned()], ..TaskSpec::default() }
    }

    async fn open_gate(&self, name: &str) {
        self.backend.open_gate(name);
    }

    async fn witnesses(&self, name: &str) -> usize {
        self.backend.witnesses(name)
    }

    async fn is_alive(&self, name: &str) -> bool {
        self.backend.is_alive(name)
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
