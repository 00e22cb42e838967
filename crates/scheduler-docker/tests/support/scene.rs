//! A proxy that can be told to fail, and a scheduler that has to live with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed, and says why")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gofer_artefacts::{ArchiveWriter, Limits, check_path};
use gofer_backend::Owner;
use gofer_scheduler::{Archive, Scheduler, TaskSpec};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::TEST_IMAGE;
use gofer_testkit::{Waiter, World};
use gofer_types::{AttemptId, Span};

use crate::consumer::LIMIT;
use crate::proxy::Proxy;
use crate::support;

/// How many tasks are ended at the same time: a shared engine has other work.
pub(crate) const AT_ONCE: usize = 8;

/// A proxy, a scheduler behind it, and one with a direct way, of the same owner.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) direct: Arc<DockerScheduler>,
    pub(crate) hurt: Arc<DockerScheduler>,
    owner: String,
    next: std::cell::Cell<u128>,
    _world: World,
}

pub(crate) const SHORT: Duration = Duration::from_millis(300);
pub(crate) const LONG: Duration = Duration::from_secs(60);

impl Scene {
    pub(crate) async fn new(url: &str, deadline: Duration) -> Self {
        let world = World::new();
        let socket = url.strip_prefix("unix://").map(PathBuf::from).unwrap();
        let proxy = Proxy::start(world.join("proxy.sock"), &socket);
        let owner = format!("faults-{}", uuid::Uuid::new_v4().simple());
        let open = async |url: &str, root: &str, deadline: Duration| {
            let call_timeout = Span::from(deadline);
            let config = DockerConfig { root: world.join(root), call_timeout, ..support::config(url) };
            Arc::new(DockerScheduler::open("test", Owner(owner.clone()), config).await.unwrap())
        };
        let direct = open(url, "direct", LONG).await;
        let hurt = open(&proxy.url(), "hurt", deadline).await;
        let next = uuid::Uuid::new_v4().as_u128().into();
        Self { proxy, direct, hurt, owner, next, _world: world }
    }

    pub(crate) fn id(&self) -> AttemptId {
        self.next.set(self.next.get().wrapping_add(1));
        AttemptId::from_u128(self.next.get())
    }

    /// A task that runs, started past the proxy.
    pub(crate) async fn running(&self, script: &str) -> AttemptId {
        let id = self.id();
        self.direct.start(&id, &sh(script)).await.unwrap();
        id
    }

    /// A task that ends with this code after a moment.
    pub(crate) async fn id_of(&self, code: i32) -> AttemptId {
        self.running(&format!("sleep 0.2; exit {code}")).await
    }

    /// Ends and removes everything of this scene.
    pub(crate) async fn tidy(self) {
        self.proxy.heal();
        let all = self.direct.list().await.unwrap();
        let each = stream::iter(all).map(async |task| {
            let gone = || async {
                self.direct.stop(&task.id, Duration::ZERO).await.map_err(|fault| fault.chain())?;
                self.direct.remove(&task.id).await.map_err(|fault| fault.chain())
            };
            Waiter::new("the end of a task").limit(LIMIT).until(gone).await;
        });
        each.buffer_unordered(AT_ONCE).collect::<()>().await;
        assert_eq!(self.direct.list().await.unwrap(), [], "{}", self.owner);
    }
}

pub(crate) fn sh(script: &str) -> TaskSpec {
    let command = ["sh", "-c", script].map(str::to_owned).into();
    TaskSpec { image: TEST_IMAGE.to_owned(), command, digest: "d".to_owned(), ..TaskSpec::default() }
}

/// The file `a`, with the word `once`.
pub(crate) fn archive_of_one_file() -> Vec<Archive> {
    let (mut bytes, limits) = (Vec::new(), Limits::default());
    let mut writer = ArchiveWriter::new(&mut bytes, &limits);
    writer.file(&check_path("a").unwrap(), false, 5, &mut &b"once\n"[..]).unwrap();
    writer.end().unwrap();
    vec![Archive { name: "a".to_owned(), bytes: stream::iter([Ok(bytes.into())]).boxed() }]
}
