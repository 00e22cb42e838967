//! Clients that start runs through every crash, and remember what they were answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gofer_client::{Client, ClientOptions};
use gofer_proto::v1::{RunState, StartRunRequest};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::ended;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;

/// The runs that the server said it has: the number of each, by the key that it was asked for with.
pub type Acks = BTreeMap<String, u64>;

/// How long a client waits for news of the server before it tries again by itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is started.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The pipeline.
    pub pipeline: &'static str,
    /// The variables of each run.
    pub variables: BTreeMap<String, String>,
    /// How many runs there are at once.
    pub in_flight: usize,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    order: Order,
    name: String,
    acks: Mutex<Acks>,
    go: AtomicBool,
    up: watch::Sender<()>,
}

/// The options of a client at that address.
#[must_use]
pub fn options(address: SocketAddr) -> ClientOptions {
    ClientOptions { address: address.to_string(), ..ClientOptions::default() }
}

impl Load {
    /// Sets the clients to work.
    #[must_use]
    pub fn begin(order: Order) -> Self {
        let name = order.pipeline;
        Self::begin_named(order, name)
    }

    /// The same, with keys that begin with this name: the same key would find the run of an earlier load.
    #[must_use]
    pub fn begin_named(order: Order, name: &str) -> Self {
        let (acks, go, up) = (Mutex::default(), AtomicBool::new(true), watch::Sender::new(()));
        let shared = Arc::new(Shared { order, name: name.to_owned(), acks, go, up });
        let mut clients = JoinSet::new();
        clients.spawn(keep_starting(Arc::clone(&shared)));
        Self { shared, clients }
    }

    /// Tells the clients that the server is there again.
    pub fn is_up(&self) {
        self.shared.up.send_replace(());
    }

    /// What was acknowledged so far.
    pub async fn acks(&self) -> Acks {
        self.shared.acks.lock().await.clone()
    }

    /// Starts nothing more, and answers what was acknowledged.
    pub async fn finish(self) -> Acks {
        self.shared.go.store(false, Ordering::SeqCst);
        self.is_up();
        self.clients.join_all().await;
        self.shared.acks.lock().await.clone()
    }
}

async fn keep_starting(shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(shared.order.in_flight));
    let mut runs = JoinSet::new();
    let mut key = 0_u32;
    while shared.goes_on() {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        key += 1;
        let (shared, key) = (Arc::clone(&shared), format!("{}-{key}", shared.name));
        runs.spawn(async move {
            if let Some(number) = shared.start(&key).await {
                shared.acks.lock().await.insert(key, number);
                shared.await_end(number).await;
            }
            drop(slot);
        });
        while runs.try_join_next().is_some() {}
    }
    runs.join_all().await;
}

impl Shared {
    fn goes_on(&self) -> bool {
        self.go.load(Ordering::SeqCst)
    }

    /// Starts one run; repeats under the same key until the server says that it has it, or the load is over.
    async fn start(&self, key: &str) -> Option<u64> {
        let mut up = self.up.subscribe();
        while self.goes_on() {
            if let Ok(client) = Client::connect(options(self.order.address)).await
                && let Ok(answer) = client.start_run(self.order.request(key)).await
            {
                return answer.run.map(|run| run.number);
            }
            news(&mut up).await;
        }
        None
    }

    /// Waits for the end of a run; gives up when the load is over, since the judge waits again.
    async fn await_end(&self, number: u64) {
        let mut up = self.up.subscribe();
        while self.goes_on() {
            if let Ok(client) = Client::connect(options(self.order.address)).await {
                let state: Option<RunState> = ended(&client, self.order.pipeline, number).await;
                if state.is_some() {
                    return;
                }
            }
            news(&mut up).await;
        }
    }
}

/// Waits until somebody says that the server is there, or for a while.
async fn news(up: &mut watch::Receiver<()>) {
    // sleeps: the time-out of this wait
    let _ = tokio::time::timeout(PATIENCE, up.changed()).await;
}

impl Order {
    /// The request with this key.
    #[must_use]
    pub fn request(&self, key: &str) -> StartRunRequest {
        StartRunRequest {
            pipeline: Some(pipeline_ref(self.pipeline)),
            variables: self.variables.clone().into_iter().collect(),
            idempotency_key: key.to_owned(),
            ..StartRunRequest::default()
        }
    }
}
