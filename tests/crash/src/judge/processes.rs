//! The processes of this host: what is left of a server and its tasks.

use std::time::Duration;

use gofer_testkit::{ServerBox, Waiter};

use crate::strace;
use crate::tally::Tally;

/// How long the last shims may take to go.
const GONE: Duration = Duration::from_secs(20);

/// Nothing runs but the server; and once it is stopped, which goes in order, nothing at all.
pub fn none_left(server: &mut ServerBox, tally: &Tally) {
    tokio::task::block_in_place(|| {
        let own = server.pid();
        Waiter::new("the end of everything but the server").limit(GONE).until_blocking(|| {
            let others =
                server.world().processes().into_iter().filter(|pid| *pid != own && !strace::is_one(*pid));
            let left: Vec<u32> = others.collect();
            if left.is_empty() { Ok(()) } else { Err(commands(&left)) }
        });
        let code = server.stop().code();
        tally.check(code == Some(0), || format!("the last stop ended with {code:?}"));
        Waiter::new("the end of everything").limit(GONE).until_blocking(|| {
            match server.world().processes() {
                left if left.is_empty() => Ok(()),
                left => Err(commands(&left)),
            }
        });
    });
}

/// Whether a process is there, and runs or may run again.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn commands(pids: &[u32]) -> String {
    let command = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        format!("{pid}: {}", String::from_utf8_lossy(&words).replace('\0', " "))
    };
    pids.iter().map(command).collect::<Vec<_>>().join("; ")
}
