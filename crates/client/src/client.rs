//! The client itself: how it connects, and how it makes one call.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gofer_proto::v1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::error::{self, ClientError, ErrorKind};
use crate::options::ClientOptions;
use crate::status;

/// The header in which the client says who it is.
const ACTOR_HEADER: &str = "gofer-actor";
/// How long the name of an actor may be.
const ACTOR_LENGTH: usize = 128;
/// How often a call is made that may be repeated.
const TRIES: u32 = 4;
/// The wait before the second try; each later one is thrice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The largest set of headers that is accepted: errors travel in them.
const HEADERS: u32 = 64 << 10;
/// How long a silent connection is left before the server is asked whether it is still there, and how long it may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// How many bytes of one stream, and of all streams of a connection, may be on their way. A hundred streams that nobody
/// reads must leave room for the calls beside them.
const WINDOWS: (u32, u32) = (128 << 10, 16 << 20);
/// How the in-process server is shown in errors.
const IN_PROCESS: &str = "http://in-process";

/// A connection to a server. A clone shares it; after a loss it is made again by the next call.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    shared: Arc<Shared>,
}

struct Shared {
    /// The address as it is shown.
    address: String,
    actor: Option<MetadataValue<tonic::metadata::Ascii>>,
    options: ClientOptions,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// Whether a call may be made again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice is the same as doing it once.
    Safe,
    /// Doing it twice may differ.
    Never,
}

impl Client {
    /// Connects to a server over the network, and asks it which API it speaks.
    ///
    /// # Errors
    /// `E0101` if nothing can be reached there, `E0102` if the server speaks another API, `E0104` if it does not answer
    /// in time, `E0105` if something else answers, `E0106` if the address is none.
    pub async fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let address = Address::parse(&options.address)?;
        let url = address.url();
        let endpoint = endpoint(&url, &options)?;
        let limit = options.connect_timeout;
        let connecting = tokio::time::timeout(limit, endpoint.connect());
        let channel = match connecting.await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(status::connecting(&error, &url, limit)),
            Err(_) => return Err(error::timed_out(&url, limit)),
        };
        let client = Self::new(channel, url, options);
        client.acquaint(Some(&address)).await?;
        Ok(client)
    }

    /// Connects to a server in this process. `dial` makes a new connection each time that it is asked for one.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn in_process<D, F, IO>(dial: D, options: ClientOptions) -> Result<Self, ClientError>
    where
        D: Fn() -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<IO>> + Send + 'static,
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let endpoint = endpoint(IN_PROCESS, &options)?;
        let connector = tower::service_fn(move |_| {
            let connection = dial();
            async move { connection.await.map(TokioIo::new) }
        });
        let client =
            Self::new(endpoint.connect_with_connector_lazy(connector), IN_PROCESS.to_owned(), options);
        client.acquaint(None).await?;
        Ok(client)
    }

    fn new(channel: Channel, address: String, options: ClientOptions) -> Self {
        let actor = options.actor.as_deref().and_then(actor_header);
        Self { channel, shared: Arc::new(Shared { address, actor, options }) }
    }

    /// The address as it is shown.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.shared.options
    }

    /// Asks the server which API it speaks. Who does not answer as gofer would is looked at more closely.
    async fn acquaint(&self, address: Option<&Address>) -> Result<(), ClientError> {
        let info = match self.get_info(v1::GetInfoRequest {}).await {
            Ok(info) => info,
            Err(error) => return Err(self.stranger(error, address).await),
        };
        if self.shared.options.check_api && info.api != gofer_proto::API {
            return Err(error::incompatible(self.address(), info.api, &info.version));
        }
        Ok(())
    }

    /// What an error of the first call means: perhaps that something else answers.
    async fn stranger(&self, error: ClientError, address: Option<&Address>) -> ClientError {
        let http = match (error.code(), address) {
            (Some("E0103" | "E0104"), Some(address)) => address.look().await,
            _ => None,
        };
        match (http, error.code(), error.kind()) {
            (Some(line), ..) => error::stranger(self.address(), &format!("it answers `{line}`")),
            (None, None, ErrorKind::Incompatible | ErrorKind::Internal | ErrorKind::Auth) => {
                error::stranger(self.address(), &format!("it answers HTTP/2, and then: {}", error.message()))
            }
            _ => error,
        }
    }

    /// One request with the headers that each has.
    pub(crate) fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        if let Some(actor) = &self.shared.actor {
            request.metadata_mut().insert(ACTOR_HEADER, actor.clone());
        }
        request
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// What a failed call means.
    pub(crate) fn failure(&self, status: &Status) -> ClientError {
        status::decode(status, self.address(), self.shared.options.request_timeout)
    }

    /// Makes a call that has one answer, again where that is safe and may help, and within the limit of time.
    pub(crate) async fn unary<Q, R, F, Fut>(
        &self,
        repeat: Repeat,
        message: Q,
        call: F,
    ) -> Result<R, ClientError>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        let limit = self.shared.options.request_timeout;
        let mut last = None;
        let tries = async {
            let mut wait = FIRST_WAIT;
            for attempt in 1..=TRIES {
                let mut request = self.request(message.clone());
                request.set_timeout(limit);
                match call(self.channel(), request).await {
                    Ok(response) => return Ok(response.into_inner()),
                    Err(status) => {
                        let error = self.failure(&status);
                        let may_help = error.kind() == ErrorKind::Unavailable && error.is_retryable();
                        if attempt == TRIES || repeat == Repeat::Never || !may_help {
                            return Err(error);
                        }
                        wait = wait.max(error.retry_after().unwrap_or_default());
                        last = Some(error);
                    }
                }
                // sleeps: the back-off between tries; nothing tells of a server that is back
                tokio::time::sleep(wait).await;
                wait *= 3;
            }
            Err(error::timed_out(self.address(), limit))
        };
        let outcome = tokio::time::timeout(limit, tries).await;
        outcome.unwrap_or_else(|_| Err(last.unwrap_or_else(|| error::timed_out(self.address(), limit))))
    }
}

fn endpoint(url: &str, options: &ClientOptions) -> Result<Endpoint, ClientError> {
    let (keepalive, keepalive_timeout) = KEEPALIVE;
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|_| error::malformed_address(url, "it is not a URL"))?;
    let (stream_window, connection_window) = WINDOWS;
    let endpoint = endpoint
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(keepalive)
        .keep_alive_timeout(keepalive_timeout)
        .http2_max_header_list_size(HEADERS);
    endpoint
        .user_agent(options.user_agent.clone())
        .map_err(|_| ClientError::new(ErrorKind::Usage, None, "the user agent is not printable ASCII"))
}

/// The name of an actor as a header: printable ASCII, not too long.
fn actor_header(name: &str) -> Option<MetadataValue<tonic::metadata::Ascii>> {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '_' };
    let name: String = name.trim().chars().take(ACTOR_LENGTH).map(printable).collect();
    let name = name.trim();
    if name.is_empty() { None } else { name.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_header_whatever_it_holds() {
        let header = |name: &str| actor_header(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("ana@build-7").as_deref(), Some("ana@build-7"));
        assert_eq!(header("Zoë\n").as_deref(), Some("Zo_"));
        assert_eq!(header("  "), None);
        assert_eq!(header(&"x".repeat(500)).map(|name| name.len()), Some(128));
    }
}
