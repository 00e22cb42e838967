//! Ports for servers under test.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the local ports of outgoing connections: a server that is killed and
/// started again must find its port free.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of the loopback address on which nothing listens now.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let spread = std::process::id().wrapping_mul(37) % u32::from(COUNT);
    let start = u16::try_from(spread).expect("less than COUNT");
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound_and_is_not_given_twice() {
        let (first, second) = (free_port(), free_port());
        assert_ne!(first, second);
        TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
    }
}
