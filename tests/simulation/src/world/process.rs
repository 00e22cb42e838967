//! One process: engine, records, logs and API over the world's disks, and a client of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gofer_api::{InProcess, ServeOptions, serve_in_process};
use gofer_backend::Clock;
use gofer_client::{Client, ClientOptions};
use gofer_engine::{Engine, EngineError, EngineParts, Schedulers};
use gofer_logs::fake::FakeLogDisk;
use gofer_logs::{LogOptions, LogStore};
use gofer_object_store::ObjectStore;
use gofer_objects::Objects;
use gofer_storage::Storage;
use gofer_storage::fake::{Defect, FakeStorage, FaultPlan};
use gofer_types::{SchedulerName, Span};
use tokio_util::task::TaskTracker;

use super::life::{Appointment, Life};
use super::{SimScheduler, SimStorage, World, owner};

/// A server that runs.
#[derive(Debug)]
pub struct Process {
    /// Its engine.
    pub engine: Engine,
    /// Whether it lives.
    pub life: Arc<Life>,
    /// A client of it.
    pub client: Client,
    server: InProcess,
    storage: Arc<SimStorage>,
    log_disk: FakeLogDisk,
    beside: TaskTracker,
}

impl World {
    /// Starts a process, which may be about to die at one of its commits. It may fail while there is chaos, as a real one does; whoever watches it starts it again.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn start(&self, dies: Option<Appointment>) -> Result<Process, String> {
        let number = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        let life = Arc::new(Life::new(u32::try_from(number).unwrap_or(u32::MAX)));
        if let Some(appointment) = dies {
            life.appoint(appointment);
        }
        let syncs = FaultPlan::none();
        let opened = FakeStorage::open_with(&self.disk, "state", syncs.clone(), Defect::None);
        let inner = Arc::new(opened.map_err(|error| error.to_string())?);
        self.court.opened(&inner).await;
        let (weather, court) = (Arc::clone(&self.weather), Arc::clone(&self.court));
        let storage = SimStorage { inner, syncs, life: Arc::clone(&life), weather, court };
        let storage = Arc::new(storage);
        let log_disk = self.log_disk.reconnect();
        match self.open(&storage, &log_disk).await {
            Ok(engine) => self.serve(engine, storage, log_disk).await,
            Err(error) => {
                life.end();
                log_disk.kill();
                Err(error.to_string())
            }
        }
    }

    async fn open(&self, storage: &Arc<SimStorage>, log_disk: &FakeLogDisk) -> Result<Engine, EngineError> {
        let reason = |error: &dyn std::fmt::Display| EngineError::Failed { reason: error.to_string() };
        let options = LogOptions {
            segment_bytes: 8 << 10,
            max_bytes_per_task: self.setting.log_bytes,
            ..LogOptions::new(self.logs.path())
        };
        let logs = LogStore::open_fake(options, log_disk).await.map_err(|error| reason(&error))?;
        let scheduler = SimScheduler {
            inner: Arc::new(self.backend.connect(&owner())),
            life: Arc::clone(&storage.life),
            weather: Arc::clone(&self.weather),
            court: Arc::clone(&self.court),
            beside: self.beside.clone(),
        };
        let name = SchedulerName::new("fake").map_err(|error| reason(&error))?;
        let ids = Arc::clone(&self.ids);
        let clock = || Arc::clone(&self.clock) as Arc<dyn Clock>;
        let store = Arc::clone(&self.objects) as Arc<dyn ObjectStore>;
        let parts = EngineParts {
            storage: Arc::clone(storage) as Arc<dyn Storage>,
            logs,
            objects: Objects::new(store, gofer_objects::Limits::default(), clock()),
            schedulers: Schedulers::one(name, Arc::new(scheduler)),
            clock: clock(),
            new_id: Arc::new(move || u128::from(ids.fetch_add(1, Ordering::SeqCst))),
            options: self.options(),
        };
        Engine::open(parts).await
    }

    async fn serve(
        &self,
        engine: Engine,
        storage: Arc<SimStorage>,
        log_disk: FakeLogDisk,
    ) -> Result<Process, String> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let mut served = ServeOptions::new("simulated", "nowhere", clock);
        // short limits make short histories
        served.pipeline_limits.timeout_min = Span::from_secs(1);
        let server = serve_in_process(engine.clone(), served);
        let options = ClientOptions { actor: Some("ada".to_owned()), ..ClientOptions::default() };
        let client = Client::in_process(server.dialer(), options).await.map_err(|error| error.to_string())?;
        let life = Arc::clone(&storage.life);
        let beside = self.beside.clone();
        Ok(Process { engine, life, client, server, storage, log_disk, beside })
    }
}

impl Process {
    /// Ends it as a kill does: nothing that it still does has an effect.
    pub fn kill(self) {
        self.life.end();
        self.log_disk.kill();
        drop(self.server);
        // what is left of it only learns that it is dead
        self.beside.spawn(async move { self.engine.shutdown().await });
    }

    /// Leaves it alone while another takes over. Its files are not its any more, as its lock is not.
    pub fn abandon(self) {
        self.log_disk.kill();
        self.life.let_syncs_work();
        drop(self.server);
        self.beside.spawn(async move {
            let _ = self.engine.failed().await;
            self.engine.shutdown().await;
        });
    }

    /// Ends it in order.
    pub async fn end(self) {
        drop(self.server.end().await);
        self.engine.shutdown().await;
        drop(self.storage.close().await);
        self.life.end();
    }
}
