//! A whole server in a box: a real process, a real port, a directory of its own.
//!
//! It sees the server as an operator does: a configuration file, a ready line on stderr, signals. It can be killed at
//! any time and started again on the same port and data.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binary::{Binary, Output, Running};
use crate::net::free_port;
use crate::wait::Waiter;
use crate::world::World;

/// How long a server may take to be ready, or to drain.
const LIMIT: Duration = Duration::from_secs(60);
/// Another port is tried this often when somebody took ours between the choice and the start.
const PORT_ATTEMPTS: usize = 5;

/// What a server in a box is started with.
#[derive(Debug, Default)]
pub struct ServerBuilder {
    config: String,
    env: Vec<(String, String)>,
    binary: Option<Binary>,
    beneath: Option<PathBuf>,
}

impl ServerBuilder {
    /// Adds TOML to the configuration. `[server]` with `listen` and `data_dir` is written already; do not repeat it.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Adds a variable to the server's environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Uses this binary instead of the one that was built beside the test.
    #[must_use]
    pub fn binary(mut self, binary: Binary) -> Self {
        self.binary = Some(binary);
        self
    }

    /// Makes the world in this directory.
    #[must_use]
    pub fn beneath(mut self, dir: &Path) -> Self {
        self.beneath = Some(dir.to_owned());
        self
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Panics
    /// If it ends or is not ready within a minute; the message holds its log.
    #[must_use]
    pub fn start(self) -> ServerBox {
        let mut server = self.build();
        for attempt in 1.. {
            server.port = free_port();
            match server.try_start() {
                Ok(()) => break,
                Err(log) if attempt < PORT_ATTEMPTS && log.contains("in use") => {}
                Err(log) => panic!("the server did not start; its log:\n{log}"),
            }
        }
        server
    }

    /// Makes the world of the server, whose data directory may be filled first, and starts nothing: [`ServerBox::start_again`],
    /// [`ServerBox::start_or_end`] and [`ServerBox::begin`] do.
    ///
    /// # Panics
    /// If there is no binary or no room for a world.
    #[must_use]
    pub fn build(self) -> ServerBox {
        let binary = self.binary.unwrap_or_else(Binary::find);
        let world = self.beneath.as_deref().map_or_else(World::new, World::beneath);
        let (config, env) = (self.config, self.env);
        ServerBox { binary, under: Vec::new(), port: free_port(), running: None, config, env, world }
    }
}

/// A server that runs, or that was killed and can be started again.
#[derive(Debug)]
pub struct ServerBox {
    // Dropped in this order: the server, then the world with whatever the server left running.
    running: Option<Running>,
    binary: Binary,
    under: Vec<String>,
    port: u16,
    config: String,
    env: Vec<(String, String)>,
    world: World,
}

impl ServerBox {
    /// A server with the default configuration.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server that is configured first.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address on which it listens; the same after a restart.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The world around it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.world.join("data")
    }

    /// The process id of the server.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").pid()
    }

    /// What the server has printed to stderr since it was last started.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map_or_else(String::new, Running::stderr)
    }

    /// Runs the command line against this server.
    ///
    /// # Panics
    /// If it cannot be run or takes longer than a minute.
    #[must_use]
    pub fn gofer<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Output {
        self.gofer_background(args).wait(LIMIT)
    }

    /// Starts the command line against this server, and returns while it runs.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn gofer_background<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Running {
        let mut command = self.binary.command(&self.world);
        command.env("GOFER_ADDR", self.addr().to_string()).args(args);
        Running::start(command, &self.world)
    }

    /// `kill -9` of the server alone; its tasks go on.
    pub fn kill9(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill9();
        }
    }

    /// SIGTERM, and waits until it has drained.
    ///
    /// # Panics
    /// If it is not running or does not end within a minute.
    pub fn stop(&mut self) -> Output {
        let mut running = self.running.take().expect("the server runs");
        running.terminate();
        running.wait(LIMIT)
    }

    /// Starts it again on the same port and data, after [`ServerBox::kill9`] or [`ServerBox::stop`].
    ///
    /// # Panics
    /// If it still runs, or is not ready within a minute; the message holds its log.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server still runs: kill or stop it first");
        if let Err(log) = self.try_start() {
            panic!("the server did not start again; its log:\n{log}");
        }
    }

    /// As [`ServerBox::start_again`], of a server that may refuse to start: what it printed and how it ended, if it ended
    /// before it was ready.
    ///
    /// # Errors
    /// The end of a server that did not become ready.
    ///
    /// # Panics
    /// If it still runs, or is neither ready nor ended within a minute.
    pub fn start_or_end(&mut self) -> Result<(), Output> {
        assert!(self.running.is_none(), "the server still runs: kill or stop it first");
        let Err(log) = self.try_start() else { return Ok(()) };
        let ended = self.running.take().unwrap_or_else(|| panic!("the process is kept; its log:\n{log}"));
        Err(ended.wait(LIMIT))
    }

    /// What it printed and how it ended, if it has ended by itself.
    pub fn ended(&mut self) -> Option<Output> {
        self.running.as_mut()?.ended()?;
        self.running.take().map(|running| running.wait(LIMIT))
    }

    /// [`ServerBox::kill9`], then [`ServerBox::start_again`].
    ///
    /// # Panics
    /// If it is not ready within a minute.
    pub fn restart(&mut self) {
        self.kill9();
        self.start_again();
    }

    /// Adds TOML to the configuration of every later start.
    pub fn configure(&mut self, toml: &str) {
        self.config.push_str(toml);
        self.config.push('\n');
    }

    /// Takes this binary for every later start.
    pub fn use_binary(&mut self, binary: Binary) {
        self.binary = binary;
    }

    /// Has every later start done by another program, which is to become the server or to start it as itself; `[]` ends that.
    pub fn use_under(&mut self, prefix: Vec<String>) {
        self.under = prefix;
    }

    /// The running process.
    ///
    /// # Panics
    /// If it is not running.
    pub fn process(&mut self) -> &mut Running {
        self.running.as_mut().expect("the server runs")
    }

    /// Whether there is no process: it was killed or waited for, or never begun.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.running.is_none()
    }

    /// Waits for an end that was asked for, or that comes by itself.
    ///
    /// # Panics
    /// If it is not running or does not end within the limit.
    pub fn wait_ended(&mut self, limit: Duration) -> Output {
        self.running.take().expect("the server runs").wait(limit)
    }

    /// Starts the process and does not wait until it is ready.
    ///
    /// # Panics
    /// If it still runs or cannot be started.
    pub fn begin(&mut self) {
        assert!(self.running.is_none(), "the server still runs: kill or stop it first");
        let file = self.world.write("gofer.toml", self.config_text());
        let mut command = self.binary.command_under(&self.world, &self.under);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.args([Path::new("server"), Path::new("start"), Path::new("--config"), file.as_path()]);
        self.running = Some(Running::start(command, &self.world));
    }

    /// Waits until the process is ready; `Err` holds its log if it ended before.
    ///
    /// # Errors
    /// The log.
    ///
    /// # Panics
    /// If it was not begun, or is not ready within a minute.
    pub fn ready(&mut self) -> Result<(), String> {
        let running = self.running.as_mut().expect("the server was begun");
        Waiter::new("the ready line of the server").limit(LIMIT).until_blocking(|| {
            // The end is read before the log: what it printed last is then in the log.
            let ended = running.ended().is_some();
            let log = running.stderr();
            match ready_line(&log) {
                Some(_) if !ended => Ok(Ok(())),
                _ if ended => Ok(Err(log)),
                _ => Err(log),
            }
        })
    }

    /// Starts the process; `Err` holds its log if it ended before it was ready.
    fn try_start(&mut self) -> Result<(), String> {
        self.running = None;
        self.begin();
        self.ready()
    }

    fn config_text(&self) -> String {
        let data = self.data_dir();
        let server = format!(
            "[server]\nlisten = \"{}\"\ndata_dir = {:?}\n\n",
            self.addr(),
            data.display().to_string()
        );
        server + &self.config
    }
}

/// The address of the line `api        127.0.0.1:7400 (grpc)`, which the server prints when it is ready.
fn ready_line(log: &str) -> Option<&str> {
    // Only whole lines: the last one may still be under way.
    let (whole, _) = log.rsplit_once('\n')?;
    whole.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("api")).then(|| words.next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_found_among_others_and_only_when_whole() {
        let log = "gofer 0.1.0\n  api        127.0.0.1:7400 (grpc)\n  data       /x\n";
        assert_eq!(ready_line(log), Some("127.0.0.1:7400"));
        assert_eq!(ready_line("  api        127.0.0.1:74"), None);
        assert_eq!(ready_line("apiary 1\n"), None);
    }

    /// A checked-in script that behaves like `gofer server start`.
    fn script(name: &str) -> ServerBuilder {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
        ServerBox::builder().binary(Binary::at(path))
    }

    #[test]
    fn a_server_is_killed_and_started_again_on_the_same_port() {
        let mut server = script("serves").start();
        let (pid, addr) = (server.pid(), server.addr());
        server.restart();
        assert_ne!(server.pid(), pid);
        assert_eq!(server.addr(), addr);
        assert!(server.stop().stderr.ends_with("drained\n"));
    }

    #[test]
    fn the_configuration_names_the_port_and_the_data_of_the_world() {
        let server = script("serves").config("[limits]\nx = 1").start();
        let text = server.world().read("gofer.toml");
        assert!(text.contains(&format!("listen = \"{}\"", server.addr())), "{text}");
        assert!(text.ends_with("[limits]\nx = 1\n"), "{text}");
    }

    #[test]
    fn a_server_that_may_refuse_tells_its_end_and_one_that_serves_has_none() {
        let mut refuses = script("refuses").build();
        let end = refuses.start_or_end().expect_err("it refuses");
        assert!(end.stderr.contains("error[E0801]"), "{}", end.stderr);
        let mut serves = script("serves").build();
        serves.start_or_end().expect("it serves");
        assert!(serves.ended().is_none());
    }

    #[test]
    #[should_panic(expected = "its log:\nerror[E0801]: wrong")]
    fn a_server_that_does_not_start_shows_its_log() {
        let _server = script("refuses").start();
    }
}
