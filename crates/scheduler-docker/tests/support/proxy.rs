//! A proxy in front of an engine, which does to single requests what networks and engines do on bad days.
//!
//! Each connection carries one request, as the scheduler makes them. A fault is for requests of a method whose path
//! contains a text, and for so many of them; all others pass.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed, and says why")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is taken and never answered; the engine does not see it.
    Silence,
    /// It is answered with this status; the engine does not see it.
    Refuse(u16),
    /// It takes effect, and is answered with this status.
    RefuseAfterwards(u16),
    /// It takes effect, and the connection is dropped without an answer.
    LoseAnswer,
    /// It takes effect, and nothing is ever answered.
    SilenceAfterwards,
    /// The answer is cut off after half of its bytes.
    Half,
    /// The answer is cut off after its head and this many bytes.
    Cut(usize),
    /// The head of the answer comes, and then nothing, on an open connection.
    Mute,
    /// The engine sees it this much later.
    Delay(Duration),
}

struct Rule {
    method: &'static str,
    path: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    met: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

/// See the module. It ends when it is dropped.
pub(crate) struct Proxy {
    socket: PathBuf,
    state: Arc<State>,
    _end: DropGuard,
}

impl Proxy {
    /// Listens on a socket for an engine.
    pub(crate) fn start(socket: PathBuf, engine: &Path) -> Self {
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (state, end) = (Arc::<State>::default(), CancellationToken::new());
        let serve = serve(listener, engine.to_owned(), Arc::clone(&state));
        let until = end.clone();
        let mut owner = JoinSet::new();
        owner.spawn(async move { until.run_until_cancelled(serve).await });
        owner.detach_all();
        Self { socket, state, _end: end.drop_guard() }
    }

    /// The address as it is configured.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The next `times` requests of this kind meet this fault.
    pub(crate) fn fault(&self, method: &'static str, path: &str, fault: Fault, times: usize) {
        let rule = Rule { method, path: path.to_owned(), fault, left: times };
        self.state.rules.lock().expect("no thread panicked").push(rule);
    }

    /// From now on all requests pass.
    pub(crate) fn heal(&self) {
        self.state.rules.lock().expect("no thread panicked").clear();
    }

    /// How many requests have met a fault.
    pub(crate) fn met(&self) -> usize {
        self.state.met.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// The most connections that were open at the same time since this was last asked.
    pub(crate) fn most(&self) -> usize {
        self.state.most.swap(self.state.open.load(Ordering::SeqCst), Ordering::SeqCst)
    }
}

async fn serve(listener: UnixListener, engine: PathBuf, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(open, Ordering::SeqCst);
        let (engine, state) = (engine.clone(), Arc::clone(&state));
        connections.spawn(async move {
            // A connection that breaks is what happens here.
            let _ = connection(client, &engine, &state).await;
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
        while connections.try_join_next().is_some() {}
    }
}

impl State {
    fn fault_of(&self, head: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no thread panicked");
        let (method, path) = head.lines().next()?.split_once(' ')?;
        let rule = rules
            .iter_mut()
            .find(|rule| rule.left > 0 && rule.method == method && path.contains(&rule.path))?;
        rule.left -= 1;
        self.met.fetch_add(1, Ordering::SeqCst);
        Some(rule.fault)
    }
}

async fn connection(mut client: UnixStream, engine: &Path, state: &State) -> std::io::Result<()> {
    let request = head(&mut client).await?;
    let fault = state.fault_of(&String::from_utf8_lossy(&request));
    match fault {
        Some(Fault::Silence) => return until_closed(&mut client).await,
        Some(Fault::Refuse(status)) => {
            body(&mut client, &request).await?;
            return refuse(&mut client, status).await;
        }
        // sleeps: a delay is a span of time by its nature
        Some(Fault::Delay(span)) => tokio::time::sleep(span).await,
        _ => {}
    }
    let mut upstream = UnixStream::connect(engine).await?;
    upstream.write_all(&request).await?;
    if matches!(fault, None | Some(Fault::Delay(_))) {
        return pass(client, upstream).await;
    }
    upstream.write_all(&body(&mut client, &request).await?).await?;
    let answer = head(&mut upstream).await?;
    match fault {
        Some(Fault::RefuseAfterwards(status)) => refuse(&mut client, status).await,
        Some(Fault::SilenceAfterwards) => until_closed(&mut client).await,
        Some(Fault::Half) => {
            let rest = body(&mut upstream, &answer).await?;
            let all = [answer, rest].concat();
            client.write_all(&all[..all.len() / 2]).await
        }
        Some(Fault::Cut(length)) => {
            client.write_all(&answer).await?;
            copy(&mut upstream.take(length as u64), &mut client).await.map(drop)
        }
        Some(Fault::Mute) => {
            client.write_all(&answer).await?;
            until_closed(&mut client).await
        }
        _ => Ok(()),
    }
}

/// Both ways, until either side closes.
async fn pass(client: UnixStream, upstream: UnixStream) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_engine, mut to_engine) = upstream.into_split();
    tokio::select! {
        done = copy(&mut from_client, &mut to_engine) => done.map(drop),
        done = copy(&mut from_engine, &mut to_client) => done.map(drop),
    }
}

/// Everything up to the empty line.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// The body that the head announces by its length, or in one piece of text that ends with an empty piece.
async fn body(stream: &mut (impl AsyncRead + Unpin), head: &[u8]) -> std::io::Result<Vec<u8>> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let mut body = Vec::new();
    if let Some((_, rest)) = head.split_once("content-length: ") {
        let length = rest.lines().next().and_then(|length| length.parse().ok()).unwrap_or(0);
        stream.take(length).read_to_end(&mut body).await?;
    } else if head.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"\r\n0\r\n\r\n") {
            body.push(stream.read_u8().await?);
        }
    }
    Ok(body)
}

async fn refuse(client: &mut UnixStream, status: u16) -> std::io::Result<()> {
    let body = r#"{"message":"as the script says"}"#;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await?;
    until_closed(client).await
}

async fn until_closed(client: &mut UnixStream) -> std::io::Result<()> {
    copy(client, &mut tokio::io::sink()).await.map(drop)
}
