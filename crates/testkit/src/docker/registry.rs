//! A registry on loopback, with and without a password, to which new images are brought through the engine itself.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::image::tar_of_one;
use super::{Docker, TEST_IMAGE, engine_for_tests};
use crate::{Running, World, free_port, wait_for_blocking};

const PROGRAM: &str = "docker-registry";
/// The one who may use a guarded registry.
pub const USER: &str = "robot";
/// Must be nowhere but in requests to the registry.
pub const PASSWORD: &str = "canary-ef81a4c2d9";
/// Their line, as `htpasswd -Bbn` writes it.
const LINE: &str = "robot:$2y$05$GROUN2w5XdJvLEf0.D3q7uUy4dxG0A/WfQzgZapZmwb90iBxxZihm\n";

/// A registry that runs.
#[derive(Debug)]
pub struct Registry {
    running: Running,
    folder: PathBuf,
    port: u16,
    _world: World,
}

impl Registry {
    /// Why there is none on this machine, if that is so.
    #[must_use]
    pub fn unavailable() -> Option<String> {
        let asked = Command::new(PROGRAM).arg("--version").output();
        asked.err().map(|error| format!("no registry: {PROGRAM}: {error}"))
    }

    /// An empty registry that asks for no password.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let world = World::new();
        let folder = world.join("images");
        Self::over(world, folder, "")
    }

    /// The same images, for who knows the password.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn guarded(&self) -> Self {
        let world = World::new();
        let file = world.write("users", LINE);
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display());
        Self::over(world, self.folder.clone(), &auth)
    }

    fn over(world: World, folder: PathBuf, auth: &str) -> Self {
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n{auth}",
            folder.display()
        );
        let config = world.write("config.yml", config);
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(config);
        let mut running = Running::start(command, &world);
        wait_for_blocking("the registry", || {
            assert!(running.ended().is_none(), "the registry ended: {}", running.stderr());
            TcpStream::connect(("127.0.0.1", port))
        });
        Self { running, folder, port, _world: world }
    }

    /// Ends it; nobody listens there from here on.
    pub fn stop(&mut self) {
        self.running.kill9();
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The address, as names of images have it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The full name of an image here.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Brings a new image here, of which the engine then knows nothing, and answers its full name and its digest.
    ///
    /// # Panics
    /// If the engine or the registry does not do it.
    pub fn publish(&self, docker: &Docker, name: &str) -> (String, String) {
        let full = self.name(name);
        make_image(docker, (TEST_IMAGE, &full), &[]);
        (full, self.push(docker, name))
    }

    /// As [`Self::publish`], of that many bytes which no compression makes fewer, and nothing that runs.
    ///
    /// # Panics
    /// If the engine or the registry does not do it.
    pub fn publish_bytes(&self, docker: &Docker, name: &str, bytes: usize) -> (String, String) {
        let full = self.name(name);
        let archive = tar_of_one("bytes", &noise(bytes));
        let path = format!("/images/create?fromSrc=-&repo={full}");
        let made = docker
            .send("POST", &path, ("application/x-tar", &archive))
            .expect("the engine or the registry answers")
            .text();
        assert!(!made.contains("\"error\""), "{made}");
        (full, self.push(docker, name))
    }

    fn push(&self, docker: &Docker, name: &str) -> String {
        let (repository, tag) = name.split_once(':').expect("the engine or the registry answers");
        let path = format!("/images/{}/push?tag={tag}", self.name(repository));
        // The engine wants to be told that there are no credentials: `{}`.
        let pushed =
            docker.send_with(("POST", &path), &[("X-Registry-Auth", "e30=")], ("application/json", b""));
        let pushed = pushed.expect("the engine or the registry answers").text();
        assert!(!pushed.contains("\"error\""), "{pushed}");
        forget_image(docker, &self.name(name));
        self.digest(repository, tag)
    }

    /// The digest, as the registry itself has written it down.
    fn digest(&self, repository: &str, tag: &str) -> String {
        std::fs::read_to_string(self.link(repository, tag)).expect("the engine or the registry answers")
    }

    /// Lets the second tag stand for what the first stands for.
    ///
    /// # Panics
    /// If the first is not there.
    pub fn move_tag(&self, repository: &str, (from, to): (&str, &str)) {
        std::fs::copy(self.link(repository, from), self.link(repository, to))
            .expect("the engine or the registry answers");
    }

    fn link(&self, repository: &str, tag: &str) -> PathBuf {
        let tags = format!("docker/registry/v2/repositories/{repository}/_manifests/tags");
        self.folder.join(tags).join(tag).join("current/link")
    }
}

/// Removes a name, with what only it holds, from an engine.
///
/// # Panics
/// If it is not there.
pub fn forget_image(docker: &Docker, name: &str) {
    let removed = docker.delete(&format!("/images/{name}")).expect("the engine or the registry answers");
    assert_eq!(removed.status, 200, "{}", removed.text());
}

impl Drop for Registry {
    fn drop(&mut self) {
        forget_all(&self.host());
    }
}

/// Removes what the shared engine has from this address: those who use it went before.
pub(super) fn forget_all(host: &str) {
    let Ok(docker) = engine_for_tests() else { return };
    let Ok(images) = docker.get("/images/json") else { return };
    let Ok(Value::Array(images)) = serde_json::from_slice(&images.body) else { return };
    let named = |image: &Value| {
        let names =
            [&image["RepoTags"], &image["RepoDigests"]].into_iter().filter_map(Value::as_array).flatten();
        names.filter_map(Value::as_str).any(|name| name.starts_with(&format!("{host}/")))
    };
    for id in images.iter().filter(|image| named(image)).filter_map(|image| image["Id"].as_str()) {
        let _ = docker.delete(&format!("/images/{id}?force=1"));
    }
}

/// A new image, made of another one and these lines, such as `CMD ["true"]`; no two are the same.
///
/// # Panics
/// If the engine does not make it.
pub fn make_image(docker: &Docker, (from, name): (&str, &str), lines: &[&str]) {
    let made = docker.post("/containers/create", &format!(r#"{{"Image":"{from}","Cmd":["true"]}}"#));
    let made: Value = serde_json::from_slice(&made.expect("an answer").body).expect("JSON");
    let container = made["Id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let mark = format!("LABEL test={}", random());
    let lines = lines.iter().copied().chain([mark.as_str()]);
    let lines: String = lines.map(|line| format!("&changes={}", escaped(line))).collect();
    let (repository, tag) = name.rsplit_once(':').expect("a name with a tag");
    let path = format!("/commit?container={container}&repo={repository}&tag={tag}{lines}");
    let committed = docker.post(&path, "{}").expect("an answer");
    assert_eq!(committed.status, 201, "{}", committed.text());
    let gone = docker.delete(&format!("/containers/{container}")).expect("an answer");
    assert_eq!(gone.status, 204, "{}", gone.text());
}

/// A text as part of an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Another number each time.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Bytes that look random, and others each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = random() | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
