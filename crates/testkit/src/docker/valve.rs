//! A way to a registry that lets through only as much as it is told to, so that a fetch is as slow as its test wants.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::registry::{Registry, forget_all};

/// A way to a registry that lets through only as many bytes of answers as it is told to.
#[derive(Debug)]
pub struct Valve {
    port: u16,
    left: Arc<(Mutex<usize>, Condvar)>,
}

impl Valve {
    /// A way that is closed behind the first `open` bytes.
    ///
    /// # Panics
    /// If the loopback does not work.
    #[must_use]
    pub fn before(registry: &Registry, open: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback that works");
        let port = listener.local_addr().expect("a loopback that works").port();
        let left = Arc::new((Mutex::new(open), Condvar::new()));
        let (target, shared) = (registry.port(), Arc::clone(&left));
        run(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (requests, answers) = (
                    near.try_clone().expect("a loopback that works"),
                    far.try_clone().expect("a loopback that works"),
                );
                let shared = Arc::clone(&shared);
                run(move || copy(requests, far, None));
                run(move || copy(answers, near, Some(&shared)));
            }
        });
        Self { port, left }
    }

    /// Lets so many more bytes through.
    ///
    /// # Panics
    /// If a thread of the way has panicked.
    pub fn open(&self, more: usize) {
        let (left, changed) = &*self.left;
        let mut left = left.lock().expect("a loopback that works");
        *left = left.saturating_add(more);
        changed.notify_all();
    }

    /// The full name of an image behind it.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        forget_all(&format!("127.0.0.1:{}", self.port));
    }
}

fn run(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).expect("a loopback that works");
}

fn copy(mut from: TcpStream, mut to: TcpStream, limit: Option<&(Mutex<usize>, Condvar)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some((left, changed)) = limit {
            let mut left = changed
                .wait_while(left.lock().expect("a loopback that works"), |left| *left < count)
                .expect("a loopback that works");
            *left -= count;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
}
