//! The server is killed as it makes its n-th sync, write or rename.
//!
//! Points are linked to chains: a chain is one data directory, each link is one life of the server on it with one fault, so
//! that the next link takes up what the one before left, and a low number strikes while it does. At the end of a chain the
//! server starts without a fault, and everything that was acknowledged in any link is judged. A point is reached if its fault
//! struck before the link ran out of work; how many were is counted for each class of calls.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_client::Client;
use gofer_testkit::{ServerBox, Waiter};
use gofer_tests_e2e::{Witness, connect, register};
use tokio::task::JoinSet;

use super::deeds::{Measure, Shared, deeds};
use super::{off, order};
use crate::judge::Case;
use crate::load::{Order, options};
use crate::scenario::{Need, Plan, Scenario, runtime};
use crate::strace::{Fault, Trace, file_of};
use crate::tally::Tally;
use crate::task::Shape;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "syscalls",
    promise: "a server killed at exactly its n-th sync, write or rename keeps what it acknowledged",
    needs: &[Need::Strace],
    run,
};

/// How many calls of each class are struck: the first, the second, and so on.
const POINTS: usize = 120;
/// How many links a chain has at most.
const LINKS: usize = 12;
/// How many chains are worked on at once.
const CHAINS: usize = 2;
/// How long one link may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the data lie if this is there: what a killed process has written is there also without a disk, and syncs are quick.
const MEMORY: &str = "/dev/shm";

const SHAPE: Shape = Shape { id: "points", tasks: &["only"], lines: 3, width: 0, pause: "" };
const CONFIG: &str = "[retention]\nlogs_runs = 0\n[log]\nlevel = \"warn\"";

/// Calls that count together.
#[derive(Debug, Clone, Copy)]
struct Class {
    name: &'static str,
    calls: &'static str,
    struck: &'static str,
    measure: Measure,
    /// Up to which number there are runs among the work: a link of many calls is only quick without.
    with_runs: usize,
}

const CLASSES: [Class; 3] = [
    Class {
        name: "sync",
        calls: "fsync,fdatasync",
        struck: "kills at the n-th fsync or fdatasync",
        measure: Measure { rounds: 200, run_every: 10, namespace: true, object: false },
        with_runs: POINTS,
    },
    Class {
        name: "write",
        calls: "write,pwrite64",
        struck: "kills at the n-th write or pwrite64",
        measure: Measure { rounds: 200, run_every: 10, namespace: true, object: false },
        with_runs: POINTS,
    },
    Class {
        name: "rename",
        calls: "rename,renameat,renameat2",
        struck: "kills at the n-th rename",
        measure: Measure { rounds: 4000, run_every: 4, namespace: false, object: true },
        with_runs: 24,
    },
];

/// One data directory with its faults.
struct Chain {
    class: Class,
    server: ServerBox,
    witness: Witness,
    order: Order,
    ledger: Shared,
    tally: Tally,
}

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let points = plan.times(POINTS);
        let chains: Mutex<Vec<(Class, Vec<usize>)>> = Mutex::default();
        for class in CLASSES {
            tally.floor(class.struck, points);
            let count = points.div_ceil(LINKS);
            let all = (1..=count).map(|first| (class, (first..=points).step_by(count).collect()));
            lock(&chains).extend(all);
        }
        off(|| {
            thread::scope(|scope| {
                for _ in 0..CHAINS {
                    scope.spawn(|| {
                        while let Some((class, links)) = pop(&chains) {
                            runtime()
                                .block_on(async { Chain::new(class, tally.clone()).follow(&links).await });
                        }
                    });
                }
            });
        });
    }
    .boxed_local()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pop<T>(all: &Mutex<Vec<T>>) -> Option<T> {
    lock(all).pop()
}

impl Chain {
    fn new(class: Class, tally: Tally) -> Self {
        let (builder, memory) = (ServerBox::builder().config(CONFIG), Path::new(MEMORY));
        let builder = if memory.is_dir() { builder.beneath(memory) } else { builder };
        let server = off(|| builder.build());
        let (witness, order) = order(&server, &SHAPE, 1);
        Self { class, server, witness, order, ledger: Shared::default(), tally }
    }

    async fn follow(&mut self, links: &[usize]) {
        off(|| self.server.start_again());
        register(&connect(self.server.addr()).await, &SHAPE.file()).await;
        off(|| self.server.kill9());
        for number in links {
            self.link(*number).await;
        }
        self.server.use_under(Vec::new());
        off(|| self.server.start_again());
        let client = connect(self.server.addr()).await;
        self.ledger.is_kept(&client, &self.order, &self.tally).await;
        let acks = self.ledger.lock().runs.clone();
        let (order, witness) = (self.order.clone(), &self.witness);
        Case { shape: SHAPE, order, acks, witness, tally: &self.tally }.close(&mut self.server).await;
    }

    /// One life of the server, until its fault strikes.
    async fn link(&mut self, number: usize) {
        let name = format!("{}-{number}", self.class.name);
        let out = self.server.world().join(format!("trace-{name}"));
        let (calls, fault) = (self.class.calls, Fault::KillAt(number));
        let alone = number > self.class.with_runs;
        let trace = Trace { calls, fault, only: None, out };
        self.server.use_under(trace.prefix());
        let ready = off(|| {
            self.server.begin();
            self.server.ready()
        });
        match ready {
            Ok(()) => self.work(name, alone).await,
            Err(log) => self.ended_early(number, &log),
        }
        let killed = self.was_killed();
        off(|| self.server.kill9());
        let struck = off(|| trace.struck());
        if killed && let Some(call) = struck.first() {
            self.tally.add(self.class.struck, 1);
            let path = file_of(&call.call).map(|path| path.display().to_string()).unwrap_or_default();
            if path.ends_with("data.redb") {
                self.tally.add("of all: at the file of the state", 1);
            } else if path.contains("/logs/") || call.call.contains("/logs/") {
                self.tally.add("of all: at a file of the logs", 1);
            }
        }
    }

    fn was_killed(&mut self) -> bool {
        self.server.process().ended().is_some_and(|status| status.code().is_none())
    }

    /// It was killed before it was ready; nothing else may keep it from starting.
    fn ended_early(&mut self, number: usize, log: &str) {
        self.tally.add("of all: before the server was ready", 1);
        let killed = self.was_killed();
        let name = self.class.name;
        self.tally.check(killed, || format!("{name} {number}: the server refuses to start: {log}"));
    }

    /// Asks for deeds until the server is gone, or nothing is left to ask for.
    async fn work(&mut self, name: String, alone: bool) {
        let Ok(client) = Client::connect(options(self.server.addr())).await else { return };
        let mut work = JoinSet::new();
        let (order, ledger) = (self.order.clone(), self.ledger.clone());
        let with_runs = self.class.measure;
        let measure = if alone { Measure { run_every: 0, ..with_runs } } else { with_runs };
        work.spawn(deeds(client, order, name, measure, ledger));
        let server = &mut self.server;
        off(|| {
            Waiter::new("the end of the server or of its work").limit(LIMIT).until_blocking(|| {
                let done = matches!(work.try_join_next(), Some(Ok(true)));
                if done || server.process().ended().is_some() { Ok(()) } else { Err("both go on") }
            });
        });
    }
}
