//! Stores, a clock that stands still, and uploads that are fed by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_backend::Clock;
use gofer_object_store::fake::{FakeDisk, FakeObjectStore};
use gofer_object_store::{ByteRange, ByteStream, ObjectStore};
use gofer_objects::{Limits, ObjectPath, Objects, Page, Put, PutObject, Result, Scope};
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, Timestamp};
use tokio::sync::{mpsc, watch};

/// Time as the test sets it.
#[derive(Debug)]
pub(crate) struct TestClock {
    wall: AtomicI64,
    passed: watch::Sender<Duration>,
}

impl TestClock {
    fn new() -> Self {
        Self { wall: AtomicI64::new(1_000), passed: watch::Sender::new(Duration::ZERO) }
    }

    pub(crate) fn set(&self, micros: i64) {
        self.wall.store(micros, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.passed.send_modify(|passed| *passed += time);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        *self.passed.borrow()
    }

    async fn sleep_until(&self, deadline: Duration) {
        let _ = self.passed.subscribe().wait_for(|passed| *passed >= deadline).await;
    }
}

/// Objects over a store, with all that a test needs to reach.
pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) fake: Option<Arc<FakeObjectStore>>,
    pub(crate) clock: Arc<TestClock>,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) fn fake(limits: Limits) -> Self {
        let fake = Arc::new(FakeObjectStore::open(&FakeDisk::new(), "fake").unwrap());
        Self::over(Arc::clone(&fake) as Arc<dyn ObjectStore>, Some(fake), None, limits)
    }

    pub(crate) fn files(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = gofer_object_store_files::Config::default();
        let store = gofer_object_store_files::open("files", &config, folder.path()).unwrap();
        Self::over(store, None, Some(folder), limits)
    }

    /// One of each store.
    pub(crate) fn both(limits: Limits) -> [Self; 2] {
        [Self::fake(limits.clone()), Self::files(limits)]
    }

    fn over(
        store: Arc<dyn ObjectStore>,
        fake: Option<Arc<FakeObjectStore>>,
        folder: Option<tempfile::TempDir>,
        limits: Limits,
    ) -> Self {
        let clock = Arc::new(TestClock::new());
        let objects = Objects::new(Arc::clone(&store), limits, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { objects, store, fake, clock, _folder: folder }
    }

    /// The same as another process sees it: nothing is known but what the store has.
    pub(crate) fn restart(&mut self, limits: Limits) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.objects = Objects::new(Arc::clone(&self.store), limits, clock);
    }

    pub(crate) fn faults(&self) -> &FakeObjectStore {
        self.fake.as_ref().unwrap()
    }

    pub(crate) async fn put(&self, scope: &Scope, name: &str, size: usize) -> Result<Put> {
        self.objects.put(scope, &path(name), zeros(size), PutObject::default()).await
    }

    pub(crate) async fn replace(&self, scope: &Scope, name: &str, size: usize) -> Result<Put> {
        self.objects.put(scope, &path(name), zeros(size), replacing()).await
    }

    pub(crate) async fn names(&self, scope: &Scope) -> Vec<String> {
        let page = Page { after: None, limit: 1000 };
        let listing = self.objects.list(scope, None, page).await.unwrap();
        listing.objects.iter().map(|meta| meta.path.to_string()).collect()
    }

    pub(crate) async fn read(&self, scope: &Scope, name: &ObjectPath) -> Result<Vec<u8>> {
        let content = self.objects.get(scope, name, ByteRange::WHOLE).await?;
        Ok(content.bytes.try_collect::<Vec<_>>().await.unwrap().concat())
    }

    pub(crate) async fn used(&self) -> u64 {
        self.objects.usage(&Namespace::default_name()).await.unwrap().used
    }

    pub(crate) async fn reserved(&self) -> u64 {
        self.objects.usage(&Namespace::default_name()).await.unwrap().reserved
    }
}

pub(crate) fn replacing() -> PutObject {
    PutObject { replace: true, ..PutObject::default() }
}

pub(crate) fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

pub(crate) fn pipeline_in(namespace: &str, pipeline: &str) -> PipelineRef {
    PipelineRef {
        namespace: Namespace::new(namespace).unwrap(),
        pipeline: PipelineId::new(pipeline).unwrap(),
    }
}

pub(crate) fn pipeline(name: &str) -> Scope {
    Scope::Pipeline(pipeline_in("default", name))
}

pub(crate) fn run(name: &str, number: u64) -> Scope {
    Scope::Run(pipeline_in("default", name).run(RunNumber(number)))
}

pub(crate) fn zeros(size: usize) -> ByteStream {
    text(vec![0; size])
}

pub(crate) fn text(bytes: Vec<u8>) -> ByteStream {
    stream::iter([Ok(Bytes::from(bytes))]).boxed()
}

/// The hand that feeds an upload; dropped, the stream ends.
pub(crate) type Feed = mpsc::Sender<gofer_backend::Result<Bytes>>;

/// An upload that gets what the hand sends; a chunk is sent when the upload has read the one before.
pub(crate) fn fed() -> (Feed, ByteStream) {
    let (feed, chunks) = mpsc::channel(1);
    let stream = stream::unfold(chunks, |mut chunks: mpsc::Receiver<_>| async move {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    });
    (feed, stream.boxed())
}

/// Sends so many bytes, and returns when the upload has read them and asks for more.
pub(crate) async fn send(feed: &Feed, size: usize) {
    feed.send(Ok(Bytes::from(vec![0; size]))).await.unwrap();
    while feed.capacity() == 0 {
        tokio::task::yield_now().await;
    }
}
