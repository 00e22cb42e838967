//! A private engine, for tests that kill it.
//!
//! It has its own folders, socket and processes in a world of its own, and no network but `host` and `none`: nothing on
//! the machine but kernel objects with its folder in their name belongs to it, and all of that goes away with it.

use std::process::Command;
use std::time::Duration;

use super::{Docker, leftovers};
use crate::binary::Running;
use crate::disk;
use crate::wait::Waiter;
use crate::world::World;

/// How long an engine may take to answer, or to end.
const LIMIT: Duration = Duration::from_secs(90);
const PROGRAM: &str = "dockerd";

/// What a private engine is started with.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    args: Vec<String>,
    disk: Option<u64>,
}

impl EngineBuilder {
    /// Its data lies on a disk of its own of that many bytes, in memory.
    #[must_use]
    pub fn small_disk(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// Containers go on while the engine is down.
    #[must_use]
    pub fn live_restore(self) -> Self {
        self.arg("--live-restore")
    }

    /// Adds an argument of `dockerd`, such as `--insecure-registry=127.0.0.1:5000`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts the engine and waits until it answers.
    ///
    /// # Panics
    /// If it ends or does not answer within the limit; the message holds its log. If its disk cannot be made.
    #[must_use]
    pub fn start(self) -> Engine {
        let world = World::new();
        if let Some(bytes) = self.disk {
            disk::mount(&world.join("data"), bytes);
        }
        let docker = Docker::at(world.join("docker.sock"));
        let mut engine = Engine { args: self.args, running: None, docker, world };
        engine.start_again();
        engine
    }
}

/// An engine that runs, or that was killed and can be started again on the same data.
#[derive(Debug)]
pub struct Engine {
    args: Vec<String>,
    running: Option<Running>,
    docker: Docker,
    world: World,
}

impl Engine {
    /// An engine that is configured first.
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Why no private engine can be started on this machine, if that is so.
    #[must_use]
    pub fn unavailable() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("no private Docker engine: only root starts one".to_owned());
        }
        let asked = Command::new(PROGRAM).arg("--version").output();
        asked.err().map(|error| format!("no private Docker engine: {PROGRAM}: {error}"))
    }

    /// The engine as something to talk to; the same after a restart.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The process id of the engine.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the engine runs").pid()
    }

    /// What the engine has printed since it was last started.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Running::stderr).unwrap_or_default()
    }

    /// `kill -9` of the engine alone. Its containers go on; what happens to them is decided when it starts again.
    pub fn kill9(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill9();
            // The kernel ends its containerd with it, a little later; the next engine must not find that one.
            let folder = self.world.join("exec/containerd");
            Waiter::new("the end of containerd").limit(LIMIT).until_blocking(|| {
                let left = crate::sweep::found_in(&folder.join("containerd.toml"));
                if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
            });
            // Where nobody collects orphans, the number of one that has ended still looks alive to the next engine.
            let _ = std::fs::remove_file(folder.join("containerd.pid"));
        }
    }

    /// SIGTERM, and waits until it has ended, with its containers unless they are to go on.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.terminate();
            let _ = running.wait(LIMIT);
        }
    }

    /// Starts it again on the same data, after [`Engine::kill9`] or [`Engine::stop`].
    ///
    /// # Panics
    /// If it still runs, ends, or does not answer within the limit; the message holds its log.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the engine still runs");
        let mut running = Running::start(self.command(), &self.world);
        Waiter::new("the answer of the engine").limit(LIMIT).until_blocking(|| {
            assert!(running.ended().is_none(), "the engine ended; its log:\n{}", running.stderr());
            match self.docker.get("/_ping") {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}; its log:\n{}", running.stderr())),
            }
        });
        self.running = Some(running);
    }

    /// [`Engine::kill9`], then [`Engine::start_again`].
    ///
    /// # Panics
    /// If it does not answer within the limit.
    pub fn restart(&mut self) {
        self.kill9();
        self.start_again();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--data-root", "--exec-root", "--pidfile"].iter().zip(["data", "exec", "pid"]).flat_map(
                |(option, name)| [(*option).to_owned(), self.world.join(name).display().to_string()],
            ))
            .args(["--host", &self.docker.url()])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(&self.args);
        command
    }

    fn containers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.world.join("data/containers")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let containers = self.containers();
        for container in &containers {
            // It is gone, or the engine is; what is left then is ended below.
            let _ = self.docker.delete(&format!("/containers/{container}?force=1"));
        }
        if !std::thread::panicking() {
            self.stop();
        }
        leftovers::end_processes(self.world.path());
        disk::unmount_below(self.world.path());
        leftovers::remove_groups(&containers);
    }
}
