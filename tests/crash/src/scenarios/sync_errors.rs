//! A sync of the state fails: the server ends at once with the documented code, acknowledges nothing more, and the next one
//! has everything that was acknowledged. And a sync that is only slow does nothing but take time.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_client::Client;
use gofer_testkit::{ServerBox, Waiter};
use gofer_tests_e2e::{Witness, connect, register};
use tokio::task::JoinSet;

use super::deeds::{Measure, Shared, deeds};
use super::{KEEP_ALL, off, order};
use crate::judge::Case;
use crate::load::{Load, Order, options};
use crate::scenario::{Need, Plan, Scenario};
use crate::strace::{Fault, Struck, Trace};
use crate::tally::Tally;
use crate::task::Shape;
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "sync-errors",
    promise: "after a failed sync the server ends with code 70, and what it acknowledged is there",
    needs: &[Need::Strace],
    run,
};

pub(super) const SLOW: Scenario = Scenario {
    name: "slow-disk",
    promise: "a disk that takes 200 ms for each sync makes nothing time out and starts nothing twice",
    needs: &[Need::Strace],
    run: run_slow,
};

const POINTS: usize = 20;
/// The documented exit code of a server that can no longer keep its promises.
const FAILED: i32 = 70;
/// How long it may take to end.
const AT_ONCE: f64 = 1.0;
/// How long one life may take.
const LIMIT: Duration = Duration::from_secs(60);

const SHAPE: Shape = Shape { id: "points", tasks: &["only"], lines: 3, width: 0, pause: "0.05" };
const CONFIG: &str = "[retention]\nlogs_runs = 0";
const MEASURE: Measure = Measure { rounds: 200, run_every: 4, namespace: true, object: false };

const STRUCK: &str = "failed syncs of the state";
const REFUSED: &str = "of these while the server started: refused by name";
const STOPPED: &str = "of these while it served: code 70 within a second";

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let points = plan.times(POINTS);
        tally.floor(STRUCK, points);
        tally.floor(STOPPED, points / 4);
        let mut server = off(|| ServerBox::builder().config(CONFIG).start());
        let (witness, order) = order(&server, &SHAPE, 1);
        register(&connect(server.addr()).await, &SHAPE.file()).await;
        off(|| server.kill9());
        let mut state =
            State { server, order: order.clone(), ledger: Shared::default(), tally: tally.clone() };
        for number in 1..=points {
            state.fail_at(number).await;
        }
        state.close(&witness).await;
    }
    .boxed_local()
}

struct State {
    server: ServerBox,
    order: Order,
    ledger: Shared,
    tally: Tally,
}

impl State {
    async fn fail_at(&mut self, number: usize) {
        let trace = Trace {
            calls: "fsync,fdatasync",
            fault: Fault::ErrorAt(number),
            only: Some(self.server.data_dir().join("redb").join("data.redb")),
            out: self.server.world().join(format!("trace-{number}")),
        };
        self.server.use_under(trace.prefix());
        let ready = off(|| {
            self.server.begin();
            self.server.ready()
        });
        if ready.is_ok() {
            self.work(format!("sync-{number}")).await;
        }
        let ended = time::wall();
        let code = self.server.process().ended().and_then(|status| status.code());
        let log = self.server.log();
        off(|| self.server.kill9());
        let struck = off(|| trace.struck());
        let Some(struck) = struck.first() else { return };
        self.tally.add(STRUCK, 1);
        match ready {
            Ok(()) => self.fail_stop(struck, (ended, code), &log),
            Err(log) => {
                self.tally.add(REFUSED, 1);
                let named = code.is_some_and(|code| code != 0) && log.contains("error[E08");
                self.tally.check(named, || format!("sync {number}: {code:?} at the start: {log}"));
            }
        }
    }

    fn fail_stop(&self, struck: &Struck, (ended, code): (f64, Option<i32>), log: &str) {
        self.tally.add(STOPPED, 1);
        self.tally.check(code == Some(FAILED), || format!("{}: it ended with {code:?}: {log}", struck.call));
        let took = ended - struck.at;
        self.tally
            .check(took <= AT_ONCE, || format!("{}: it ended {took:.2} s after the error", struck.call));
        let last = self.ledger.lock().last_begun;
        self.tally
            .check(last <= struck.at, || format!("{}: something was acknowledged afterwards", struck.call));
    }

    /// Asks for deeds until the server has ended.
    async fn work(&mut self, name: String) {
        let Ok(client) = Client::connect(options(self.server.addr())).await else { return };
        let mut work = JoinSet::new();
        work.spawn(deeds(client, self.order.clone(), name, MEASURE, self.ledger.clone()));
        let server = &mut self.server;
        off(|| {
            Waiter::new("the end of the server or of its work").limit(LIMIT).until_blocking(|| {
                let done = matches!(work.try_join_next(), Some(Ok(true)));
                if done || server.process().ended().is_some() { Ok(()) } else { Err("both go on") }
            });
        });
    }

    async fn close(mut self, witness: &Witness) {
        self.server.use_under(Vec::new());
        off(|| self.server.start_again());
        let client = connect(self.server.addr()).await;
        self.ledger.is_kept(&client, &self.order, &self.tally).await;
        let acks = self.ledger.lock().runs.clone();
        let case = Case { shape: SHAPE, order: self.order, acks, witness, tally: &self.tally };
        case.close(&mut self.server).await;
    }
}

/// How many runs there are on the slow disk.
const SLOW_RUNS: usize = 12;
const SLOW_SHAPE: Shape =
    Shape { id: "slow", tasks: &["first", "left", "right"], lines: 5, width: 0, pause: "0.1" };
/// The time limit of each task, which takes half a second, and the delay of each sync.
const SLOW_LIMIT: &str =
    "[limits]\ntask_timeout_min = \"1s\"\ntask_timeout_default = \"2s\"\nstop_grace = \"1s\"";
const DELAY: u64 = 200_000;
const DELAYED: &str = "syncs that took 200 ms longer";

fn run_slow(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let runs = plan.times(SLOW_RUNS);
        tally.floor(DELAYED, 20);
        let config = format!("{KEEP_ALL}\n{SLOW_LIMIT}");
        let mut server = off(|| ServerBox::builder().config(&config).build());
        let out = server.world().join("trace");
        let trace = Trace { calls: "fsync,fdatasync", fault: Fault::Delay(DELAY), only: None, out };
        server.use_under(trace.prefix());
        off(|| server.start_again());
        let (witness, order) = order(&server, &SLOW_SHAPE, runs);
        register(&connect(server.addr()).await, &SLOW_SHAPE.file()).await;
        let load = Load::begin(order.clone());
        let enough = Waiter::new("enough acknowledged runs").limit(LIMIT).until(async || {
            let acks = load.acks().await.len();
            if acks >= runs { Ok(()) } else { Err(acks) }
        });
        enough.await;
        let acks = load.finish().await;
        tally.floor("acknowledged runs", runs);
        let case = Case { shape: SLOW_SHAPE, order, acks, witness: &witness, tally: &tally };
        case.close(&mut server).await;
        tally.add(DELAYED, off(|| trace.struck()).len());
    }
    .boxed_local()
}
