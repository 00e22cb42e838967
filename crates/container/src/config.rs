//! What an operator may set for containers of an engine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gofer_backend::{BackendError, ErrorKind};
use gofer_scheduler::RegistryAuth;
use gofer_types::{ByteSize, SecretValue, Span};
use serde::{Deserialize, Deserializer};

/// The kind of the scheduler that is set so, as in `kind = "docker"`.
pub const KIND: &str = "docker";

/// Where an engine listens where nothing else is said.
pub const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// The least output of a task that an engine can be told to keep.
pub const LEAST_LOG: ByteSize = ByteSize::from_mib(2);

/// The least memory that an engine gives a container.
pub const LEAST_MEMORY: ByteSize = ByteSize::from_mib(6);

/// What the Docker scheduler needs to know. In a configuration file, everything may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerConfig {
    /// Where the engine listens: `unix:///var/run/docker.sock`, or `tcp://127.0.0.1:2375` for one without TLS.
    pub socket: String,
    /// The folder for what is remembered here: removed ids and fetched images; files of tasks
    /// pass through it on their way to the engine and back. The server fills it in.
    pub root: PathBuf,
    /// How long the engine may take to answer a call. The fetch of an image has a limit of its own.
    pub call_timeout: Span,
    /// How many calls may be under way at once. Streams of output and of events are not counted: there is one for each
    /// running task and one in all.
    pub max_calls: u32,
    /// The network of a task: `bridge`, `none`, `host`, or the name of a network of the engine.
    pub network: String,
    /// Names that a task can reach, as `name:address`; `host-gateway` stands for the host. Not with `none` and `host`.
    pub extra_hosts: Vec<String>,
    /// The user of a task that names none; left out, the image's.
    pub user: Option<String>,
    /// Kernel capabilities that a task keeps, such as `CHOWN`. All others are dropped. `SETUID` brings `KILL`: the first
    /// process of a container could not end what has become another user otherwise.
    pub add_capabilities: Vec<String>,
    /// Whether the root of a task's files is read-only; it then gets a `/tmp` of its own in memory.
    pub read_only_root: bool,
    /// The processes and threads that a task may have.
    pub max_processes: u32,
    /// The files that a process of a task may have open.
    pub open_files: u32,
    /// The size of `/tmp` where the root is read-only. As text: `64MiB`.
    #[serde(deserialize_with = "size")]
    pub tmp_size: ByteSize,
    /// The cores of a task that asks for none; left out, all.
    pub default_cpu: Option<f64>,
    /// The memory of a task that asks for none; left out, all. As text: `2GiB`.
    #[serde(deserialize_with = "optional_size")]
    pub default_memory: Option<ByteSize>,
    /// How much output of one task the engine keeps before its oldest is dropped. As text: `512MiB`.
    #[serde(deserialize_with = "size")]
    pub max_log: ByteSize,
    /// How long the fetch of an image may take, once it is its turn.
    pub pull_timeout: Span,
    /// How many images are fetched at once.
    pub max_pulls: u32,
    /// Who the server is towards registries, by their address, such as `registry.example:5000`. What a task names wins.
    pub registries: BTreeMap<String, Registry>,
    /// Fetched images that no task has used for so long are removed; left out, none is. Images that gofer did not fetch are
    /// never touched.
    pub prune_images_after: Option<Span>,
    /// Volumes that every task sees, by name, with their place. Not for configuration files: for tests and the suite.
    #[serde(skip)]
    pub volumes: Vec<(String, String)>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            socket: DEFAULT_SOCKET.to_owned(),
            root: PathBuf::new(),
            call_timeout: Span::from_secs(60),
            max_calls: 32,
            network: "bridge".to_owned(),
            extra_hosts: vec!["host.docker.internal:host-gateway".to_owned()],
            user: None,
            add_capabilities: Vec::new(),
            read_only_root: false,
            max_processes: 512,
            open_files: 4096,
            tmp_size: ByteSize::from_mib(64),
            default_cpu: None,
            default_memory: None,
            max_log: ByteSize::from_mib(512),
            pull_timeout: Span::from_secs(15 * 60),
            max_pulls: 3,
            registries: BTreeMap::new(),
            prune_images_after: None,
            volumes: Vec::new(),
        }
    }
}

/// Who the server is towards one registry.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The user.
    pub user: String,
    /// The password, or a token that stands for one.
    password: Option<String>,
    /// A file that holds the password, instead of it; read at each fetch.
    pub password_file: Option<PathBuf>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .field("password_file", &self.password_file)
            .finish()
    }
}

impl Registry {
    /// A registry with a user and a password.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: Some(password.into()), password_file: None }
    }

    /// Who that is; the password is read now.
    ///
    /// # Errors
    /// What the host says against its file.
    pub fn auth(&self) -> std::io::Result<RegistryAuth> {
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => SecretValue::new(password.clone()),
            (None, Some(path)) => SecretValue::new(std::fs::read_to_string(path)?.trim_end_matches('\n')),
            (None, None) => SecretValue::new(""),
        };
        Ok(RegistryAuth { user: self.user.clone(), password })
    }
}

impl DockerConfig {
    /// Checks what can be checked without asking anybody. The error names the key.
    ///
    /// # Errors
    /// The first setting that cannot be.
    pub fn validate(&self) -> Result<(), (&'static str, BackendError)> {
        self.check_limits()?;
        self.check_places()
    }

    fn check_limits(&self) -> Result<(), (&'static str, BackendError)> {
        for (key, number) in
            [("max_calls", self.max_calls), ("max_pulls", self.max_pulls), ("open_files", self.open_files)]
        {
            refuse_if(number == 0, key, || "it must be at least 1".to_owned())?;
        }
        let prune_after = self.prune_images_after.map_or(Duration::MAX, Span::get);
        for (key, span) in [
            ("call_timeout", self.call_timeout.get()),
            ("pull_timeout", self.pull_timeout.get()),
            ("prune_images_after", prune_after),
        ] {
            refuse_if(span.is_zero(), key, || "it must be longer than nothing".to_owned())?;
        }
        refuse_if(self.max_processes < 2, "max_processes", || "a task needs at least 2".to_owned())?;
        refuse_if(self.max_log < LEAST_LOG, "max_log", || "at least 2MiB are needed".to_owned())?;
        let little = self.default_memory.is_some_and(|memory| memory < LEAST_MEMORY);
        refuse_if(little, "default_memory", || "the engine gives no container less than 6MiB".to_owned())?;
        let little = self.default_cpu.is_some_and(|cpu| !cpu.is_finite() || cpu < 0.01);
        refuse_if(little, "default_cpu", || "the engine gives no container less than 0.01 cores".to_owned())
    }

    fn check_places(&self) -> Result<(), (&'static str, BackendError)> {
        let known = ["unix:///", "tcp://"].iter().any(|scheme| self.socket.starts_with(scheme));
        refuse_if(!known, "socket", || {
            format!("`{}` is no address of an engine: use `unix:///path` or `tcp://host:port`", self.socket)
        })?;
        let none = self.network.starts_with("container:") || self.network.is_empty();
        refuse_if(none, "network", || format!("`{}` is no network for a task", self.network))?;
        if let Some(host) = self.extra_hosts.iter().find(|host| !host.contains(':')) {
            refuse_if(true, "extra_hosts", || format!("`{host}` is not of the form `name:address`"))?;
        }
        let all = |name: &String| name.to_uppercase().trim_start_matches("CAP_") == "ALL";
        refuse_if(self.add_capabilities.iter().any(all), "add_capabilities", || {
            "name each that is needed: all of them would be none dropped".to_owned()
        })?;
        for (name, registry) in &self.registries {
            let unclear = registry.password.is_some() == registry.password_file.is_some();
            refuse_if(unclear, "registries", || {
                format!("`{name}` needs either `password` or `password_file`")
            })?;
        }
        Ok(())
    }
}

fn refuse_if(
    wrong: bool,
    key: &'static str,
    why: impl FnOnce() -> String,
) -> Result<(), (&'static str, BackendError)> {
    if wrong {
        Err((key, BackendError::new(ErrorKind::InvalidInput, why()).at(KIND, "configure")))
    } else {
        Ok(())
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    size(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DockerConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn refused(config: &DockerConfig) -> &'static str {
        config.validate().map_or_else(|(key, _)| key, |()| "")
    }

    #[test]
    fn an_empty_section_is_the_default_and_valid() {
        let config = read("{}").unwrap();
        assert_eq!(config, DockerConfig::default());
        assert_eq!(refused(&config), "");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        assert!(read(r#"{"privileged": true}"#).unwrap_err().to_string().contains("privileged"));
        assert!(read(r#"{"volumes": []}"#).is_err());
    }

    #[test]
    fn bounds_are_kept_at_and_beyond() {
        let mut config = DockerConfig { max_calls: 1, max_processes: 2, ..DockerConfig::default() };
        assert_eq!(refused(&config), "");
        config.max_processes = 1;
        assert_eq!(refused(&config), "max_processes");
        let config = DockerConfig { max_calls: 0, ..DockerConfig::default() };
        assert_eq!(refused(&config), "max_calls");
        let config = DockerConfig { max_log: ByteSize::from_mib(1), ..DockerConfig::default() };
        assert_eq!(refused(&config), "max_log");
    }

    #[test]
    fn what_would_break_out_is_refused() {
        let config = DockerConfig { network: "container:other".to_owned(), ..DockerConfig::default() };
        assert_eq!(refused(&config), "network");
        let config = DockerConfig { socket: "ssh://host".to_owned(), ..DockerConfig::default() };
        assert_eq!(refused(&config), "socket");
    }

    #[test]
    fn what_would_break_every_task_is_refused() {
        let usual = DockerConfig::default;
        let table = [
            (DockerConfig { call_timeout: Span::from_secs(0), ..usual() }, "call_timeout"),
            (DockerConfig { pull_timeout: Span::from_secs(0), ..usual() }, "pull_timeout"),
            (DockerConfig { default_memory: Some(ByteSize::from_mib(5)), ..usual() }, "default_memory"),
            (DockerConfig { default_memory: Some(LEAST_MEMORY), ..usual() }, ""),
            (DockerConfig { default_cpu: Some(0.0), ..usual() }, "default_cpu"),
            (DockerConfig { default_cpu: Some(f64::NAN), ..usual() }, "default_cpu"),
            (DockerConfig { add_capabilities: vec!["cap_all".to_owned()], ..usual() }, "add_capabilities"),
            (DockerConfig { add_capabilities: vec!["CHOWN".to_owned()], ..usual() }, ""),
        ];
        for (config, key) in table {
            assert_eq!(refused(&config), key);
        }
    }

    #[test]
    fn passwords_are_not_shown_and_needed_once() {
        let config = read(r#"{"registries": {"r:5000": {"user": "me", "password": "hunter2"}}}"#).unwrap();
        assert_eq!(refused(&config), "");
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = read(r#"{"registries": {"r:5000": {"user": "me"}}}"#).unwrap();
        assert_eq!(refused(&config), "registries");
    }
}
