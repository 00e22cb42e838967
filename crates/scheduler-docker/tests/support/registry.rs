//! A registry on loopback, with and without a password, and a valve before it that lets only so much through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use gofer_testkit::docker::{Docker, TEST_IMAGE, engine_for_tests};
use gofer_testkit::{Running, World, free_port, wait_for_blocking};
use serde_json::Value;

use crate::bed::make_image;

const PROGRAM: &str = "docker-registry";
/// The one who may use a guarded registry.
pub(crate) const USER: &str = "robot";
/// Must be nowhere but in requests to the registry.
pub(crate) const PASSWORD: &str = "canary-ef81a4c2d9";
/// Their line, as `htpasswd -Bbn` writes it.
const LINE: &str = "robot:$2y$05$GROUN2w5XdJvLEf0.D3q7uUy4dxG0A/WfQzgZapZmwb90iBxxZihm\n";

/// A registry that runs.
pub(crate) struct Registry {
    running: Running,
    folder: PathBuf,
    port: u16,
    _world: World,
}

impl Registry {
    /// Why there is none on this machine, if that is so.
    pub(crate) fn unavailable() -> Option<String> {
        let asked = Command::new(PROGRAM).arg("--version").output();
        asked.err().map(|error| format!("no registry: {PROGRAM}: {error}"))
    }

    /// An empty registry that asks for no password.
    pub(crate) fn start() -> Self {
        let world = World::new();
        let folder = world.join("images");
        Self::over(world, folder, "")
    }

    /// The same images, for who knows the password.
    pub(crate) fn guarded(&self) -> Self {
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
    pub(crate) fn stop(&mut self) {
        self.running.kill9();
    }

    /// The address, as names of images have it.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The full name of an image here.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Brings a new image here, of which the engine then knows nothing, and answers its full name and its digest.
    pub(crate) fn publish(&self, docker: &Docker, name: &str) -> (String, String) {
        let full = self.name(name);
        make_image(docker, (TEST_IMAGE, &full), &[]);
        (full, self.push(docker, name))
    }

    /// As [`Self::publish`], of that many bytes which no compression makes fewer, and nothing that runs.
    pub(crate) fn publish_bytes(&self, docker: &Docker, name: &str, bytes: usize) -> (String, String) {
        let full = self.name(name);
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "bytes", &noise(bytes)[..]).unwrap();
        let archive = archive.into_inner().unwrap();
        let path = format!("/images/create?fromSrc=-&repo={full}");
        let made = docker.send("POST", &path, ("application/x-tar", &archive)).unwrap().text();
        assert!(!made.contains("\"error\""), "{made}");
        (full, self.push(docker, name))
    }

    fn push(&self, docker: &Docker, name: &str) -> String {
        let (repository, tag) = name.split_once(':').unwrap();
        let path = format!("/images/{}/push?tag={tag}", self.name(repository));
        // The engine wants to be told that there are no credentials: `{}`.
        let pushed =
            docker.send_with(("POST", &path), &[("X-Registry-Auth", "e30=")], ("application/json", b""));
        let pushed = pushed.unwrap().text();
        assert!(!pushed.contains("\"error\""), "{pushed}");
        forget_image(docker, &self.name(name));
        self.digest(repository, tag)
    }

    /// The digest, as the registry itself has written it down.
    fn digest(&self, repository: &str, tag: &str) -> String {
        std::fs::read_to_string(self.link(repository, tag)).unwrap()
    }

    /// Lets the second tag stand for what the first stands for.
    pub(crate) fn move_tag(&self, repository: &str, (from, to): (&str, &str)) {
        std::fs::copy(self.link(repository, from), self.link(repository, to)).unwrap();
    }

    fn link(&self, repository: &str, tag: &str) -> PathBuf {
        let tags = format!("docker/registry/v2/repositories/{repository}/_manifests/tags");
        self.folder.join(tags).join(tag).join("current/link")
    }
}

/// Removes a name, with what only it holds, from an engine.
pub(crate) fn forget_image(docker: &Docker, name: &str) {
    let removed = docker.delete(&format!("/images/{name}")).unwrap();
    assert_eq!(removed.status, 200, "{}", removed.text());
}

impl Drop for Registry {
    fn drop(&mut self) {
        forget_all(&self.host());
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        forget_all(&format!("127.0.0.1:{}", self.port));
    }
}

/// Removes what the shared engine has from this address: those who use it went before.
fn forget_all(host: &str) {
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

/// Bytes that look random, and others each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = uuid::Uuid::new_v4().as_u128() as u64 | 1;
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

/// A way to a registry that lets through only as many bytes of answers as it is told to.
pub(crate) struct Valve {
    port: u16,
    left: Arc<(Mutex<usize>, Condvar)>,
}

impl Valve {
    /// A way that is closed behind the first `open` bytes.
    pub(crate) fn before(registry: &Registry, open: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new((Mutex::new(open), Condvar::new()));
        let (target, shared) = (registry.port, Arc::clone(&left));
        run(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (requests, answers) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                run(move || copy(requests, far, None));
                run(move || copy(answers, near, Some(&shared)));
            }
        });
        Self { port, left }
    }

    /// Lets so many more bytes through.
    pub(crate) fn open(&self, more: usize) {
        let (left, changed) = &*self.left;
        let mut left = left.lock().unwrap();
        *left = left.saturating_add(more);
        changed.notify_all();
    }

    /// The full name of an image behind it.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

fn run(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).unwrap();
}

fn copy(mut from: TcpStream, mut to: TcpStream, limit: Option<&(Mutex<usize>, Condvar)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some((left, changed)) = limit {
            let mut left = changed.wait_while(left.lock().unwrap(), |left| *left < count).unwrap();
            *left -= count;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
}
