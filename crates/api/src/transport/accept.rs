//! Connections of a listener: counted in all and per address, and passed on once they said their first word.
//!
//! What is over a limit is closed at once: the smallest budgets belong to those that nobody knows.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::conn::Conn;
use crate::limits::Limits;

/// How long to wait when the system cannot give us a connection, for example because we hold too many files.
const PAUSE: Duration = Duration::from_millis(100);

/// The places that a connection holds while it lives.
pub(super) struct Places {
    address: IpAddr,
    counts: Counts,
    _total: OwnedSemaphorePermit,
}

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

impl Drop for Places {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// How many connections there may be, and are.
struct Ledger {
    total: Arc<Semaphore>,
    counts: Counts,
    per_address: usize,
}

impl Ledger {
    fn new(limits: &Limits) -> Self {
        Self {
            total: Arc::new(Semaphore::new(limits.connections)),
            counts: Counts::default(),
            per_address: limits.connections_per_address,
        }
    }

    /// The places for one more connection, if there are any.
    fn take(&self, address: IpAddr) -> Option<Places> {
        let total = self.total.clone().try_acquire_owned().ok()?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Places { address, counts: self.counts.clone(), _total: total })
    }
}

/// A connection that has said its first word, or nothing if it did not.
type Arriving = BoxFuture<'static, Option<Conn<TcpStream>>>;

struct Door {
    listener: TcpListener,
    ledger: Ledger,
    arriving: FuturesUnordered<Arriving>,
    first_byte: Duration,
    cut: CancellationToken,
}

/// The connections of a listener.
pub(super) fn connections(
    listener: TcpListener,
    limits: &Limits,
    cut: &CancellationToken,
) -> impl Stream<Item = Result<Conn<TcpStream>, Infallible>> + Send + use<> {
    let door = Door {
        listener,
        ledger: Ledger::new(limits),
        arriving: FuturesUnordered::new(),
        first_byte: limits.first_byte,
        cut: cut.clone(),
    };
    stream::unfold(door, |mut door| async move { Some((Ok(door.next().await), door)) })
}

impl Door {
    async fn next(&mut self) -> Conn<TcpStream> {
        loop {
            tokio::select! {
                Some(arrived) = self.arriving.next(), if !self.arriving.is_empty() => {
                    if let Some(connection) = arrived {
                        return connection;
                    }
                }
                accepted = self.listener.accept() => self.admit(accepted).await,
            }
        }
    }

    async fn admit(&mut self, accepted: io::Result<(TcpStream, std::net::SocketAddr)>) {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // sleeps: nothing tells of a free descriptor, and accepting at once would spin
                return tokio::time::sleep(PAUSE).await;
            }
        };
        let Some(places) = self.ledger.take(address.ip()) else {
            tracing::warn!(%address, "a connection over the limit is closed");
            return;
        };
        let (cut, first_byte) = (self.cut.clone(), self.first_byte);
        self.arriving.push(
            async move {
                stream.set_nodelay(true).ok()?;
                let said = tokio::time::timeout(first_byte, stream.peek(&mut [0])).await.ok()?.ok()?;
                (said > 0).then(|| Conn::new(stream, &cut, Some(places)))
            }
            .boxed(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ledger(connections: usize, connections_per_address: usize) -> Ledger {
        Ledger::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let ledger = ledger(3, 2);
        let held = [ledger.take(address(1)), ledger.take(address(1))];
        assert!(ledger.take(address(1)).is_none());
        assert!(ledger.take(address(2)).is_some());
        drop(held);
        assert!(ledger.take(address(1)).is_some());
    }

    #[test]
    fn all_addresses_together_have_a_limit() {
        let ledger = ledger(1, 5);
        let held = ledger.take(address(1));
        assert!(ledger.take(address(2)).is_none());
        drop(held);
        assert!(ledger.take(address(2)).is_some());
        assert!(ledger.counts.lock().unwrap().is_empty(), "an address that left is forgotten");
    }
}
