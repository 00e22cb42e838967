//! The disk of the state and the disk of the logs are filled to the brim, at several moments, and are given room again.
//!
//! What is asked for meanwhile is refused by name; what runs ends, and its end is told; when there is room again everything
//! goes on by itself. Output that had no room is missing, and a gap says how much.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_client::{Client, ClientOptions};
use gofer_testkit::{ServerBox, Waiter, disk};
use gofer_tests_e2e::{Witness, connect, register};

use super::{off, order};
use crate::judge::{explained, logs, marks, processes, runs};
use crate::load::{Acks, Load, Order, options};
use crate::scenario::{Need, Plan, Scenario};
use crate::tally::Tally;
use crate::task::Shape;
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "disk-full",
    promise: "a full disk is refused by name, loses no end of a task, and needs no restart once there is room",
    needs: &[Need::Mount],
    run,
};

const STATE_BYTES: u64 = 32 << 20;
const LOGS_BYTES: u64 = 4 << 20;
const ROUNDS: usize = 3;
const RUNS: usize = 6;
const SHAPE: Shape = Shape { id: "full", tasks: &["first", "second"], lines: 20, width: 500, pause: "0.05" };
/// The code of a server that cannot store anything more, and of one that cannot start for it.
const FULL: &str = "E0904";
const FULL_AT_START: &str = "error[E0825]";
/// How long a client waits for an answer that is a refusal.
const HASTE: Duration = Duration::from_secs(2);
/// How long things may take to go on once there is room.
const LIMIT: Duration = Duration::from_secs(60);

const REFUSED: &str = "starts refused by name while the disk of the state was full";
const ENDED: &str = "tasks that ended while the disk of the state was full";
const FILLED: &str = "times that a disk was full to the brim";
const GAPS: &str = "gaps told for output that had no room";
const KILLED: &str = "kills of the server while the disk was full";

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let rounds = plan.times(ROUNDS);
        tally.floor(FILLED, rounds * 5);
        tally.floor(REFUSED, rounds * 2);
        tally.floor(ENDED, rounds * RUNS);
        tally.floor(GAPS, rounds);
        tally.floor(KILLED, rounds);
        let mut full = Full::new(tally.clone());
        register(&full.client().await, &SHAPE.file()).await;
        for round in 0..rounds {
            full.while_idle(round).await;
            full.while_tasks_run(round).await;
            full.under_load(&plan, round).await;
            full.of_the_logs(round).await;
            full.and_killed(round).await;
        }
        full.close().await;
    }
    .boxed_local()
}

/// A server on two small disks.
struct Full {
    server: ServerBox,
    witness: Witness,
    order: Order,
    acks: Acks,
    tally: Tally,
}

/// A file that takes all the room of its disk. Dropped, it gives it back.
struct Filler(PathBuf);

impl Filler {
    /// Fills the disk of a directory to the last byte.
    fn new(dir: &Path, tally: &Tally) -> Self {
        let path = dir.join("filler");
        let mut file = File::create(&path).expect("a file for the filler");
        for size in [1 << 20, 4096, 1] {
            let bytes = vec![7_u8; size];
            while file.write_all(&bytes).is_ok() {}
        }
        tally.add(FILLED, 1);
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // a filler that is gone fills nothing
        let _ = fs::remove_file(&self.0);
    }
}

impl Full {
    fn new(tally: Tally) -> Self {
        let server = off(|| {
            let mut server = ServerBox::builder().build();
            let tasks = server.world().join("tasks").display().to_string();
            let reserve = "[storage.redb]\nreserve = \"4MiB\"";
            server
                .configure(&format!("{reserve}\n[scheduler.process]\nroot = {tasks:?}\n{}", super::KEEP_ALL));
            disk::mount(&server.data_dir(), STATE_BYTES);
            disk::mount(&server.data_dir().join("logs"), LOGS_BYTES);
            server.start_again();
            server
        });
        let (witness, order) = order(&server, &SHAPE, 4);
        Self { server, witness, order, acks: Acks::new(), tally }
    }

    async fn client(&self) -> Client {
        connect(self.server.addr()).await
    }

    async fn start(&mut self, client: &Client, key: String) {
        match client.start_run(self.order.request(&key)).await {
            Ok(answer) => drop(self.acks.insert(key, answer.run.map_or(0, |run| run.number))),
            Err(error) => self.tally.violated(format!("{key} was refused: {error}")),
        }
    }

    /// A start that must be refused by name; an acknowledged one counts like every other.
    async fn start_in_vain(&mut self, key: String) {
        // a client that is more patient tries again by itself for a while
        let options = ClientOptions { request_timeout: HASTE, ..options(self.server.addr()) };
        let client = Client::connect(options).await.expect("the server answers");
        match client.start_run(self.order.request(&key)).await {
            Ok(answer) => drop(self.acks.insert(key, answer.run.map_or(0, |run| run.number))),
            Err(error) => {
                let named = error.code() == Some(FULL);
                self.tally.check(named, || format!("refused as {:?}: {error}", error.code()));
                self.tally.add(REFUSED, 1);
            }
        }
    }

    /// Nothing runs. What is refused is accepted as soon as there is room.
    async fn while_idle(&mut self, round: usize) {
        let client = self.client().await;
        let filler = off(|| Filler::new(&self.server.data_dir(), &self.tally));
        self.start_in_vain(format!("idle-{round}")).await;
        drop(filler);
        self.start(&client, format!("idle-{round}")).await;
    }

    /// Tasks run, and end while nothing can be stored.
    async fn while_tasks_run(&mut self, round: usize) {
        let client = self.client().await;
        let pid = self.server.pid();
        let (begun, before) = (self.count("start"), self.count("end"));
        for number in 0..RUNS {
            self.start(&client, format!("running-{round}-{number}")).await;
        }
        off(|| self.told("start", begun + RUNS));
        let filler = off(|| Filler::new(&self.server.data_dir(), &self.tally));
        off(|| self.told("end", before + RUNS));
        self.tally.add(ENDED, self.count("end") - before);
        self.start_in_vain(format!("vain-{round}")).await;
        drop(filler);
        self.all_end(&client).await;
        let same = self.server.process().ended().is_none() && self.server.pid() == pid;
        self.tally.check(same, || "the server did not live through a full disk".to_owned());
    }

    /// The disk is full and has room again at random moments, while clients start runs.
    async fn under_load(&mut self, plan: &Plan, round: usize) {
        let mut dice = Plan { seed: plan.seed + round as u64, ..*plan }.dice();
        // keys of an earlier round would find its runs
        let order = Order { in_flight: 4, ..self.order.clone() };
        let load = Load::begin_named(order, &format!("load-{round}"));
        for _ in 0..3 {
            time::pass(Duration::from_millis(dice.below(400))).await;
            let filler = off(|| Filler::new(&self.server.data_dir(), &self.tally));
            time::pass(Duration::from_millis(dice.below(600))).await;
            drop(filler);
        }
        self.acks.extend(load.finish().await);
        self.all_end(&self.client().await).await;
    }

    /// Tasks print, and the disk of the logs is full.
    async fn of_the_logs(&mut self, round: usize) {
        let client = self.client().await;
        for number in 0..RUNS {
            self.start(&client, format!("logs-{round}-{number}")).await;
        }
        let before = self.count("end");
        let filler = off(|| Filler::new(&self.server.data_dir().join("logs"), &self.tally));
        off(|| self.told("end", before + 1));
        drop(filler);
        self.all_end(&client).await;
    }

    /// The server is killed while the disk is full. The next one starts, or says why not; with room, one starts.
    async fn and_killed(&mut self, round: usize) {
        let client = self.client().await;
        for number in 0..RUNS {
            self.start(&client, format!("killed-{round}-{number}")).await;
        }
        let filler = off(|| Filler::new(&self.server.data_dir(), &self.tally));
        off(|| self.server.kill9());
        self.tally.add(KILLED, 1);
        let (server, tally) = (&mut self.server, &self.tally);
        off(|| {
            server.begin();
            if let Err(log) = server.ready() {
                tally.check(log.contains(FULL_AT_START), || format!("a start on a full disk: {log}"));
                server.kill9();
            }
        });
        drop(filler);
        if self.server.is_down() {
            off(|| self.server.start_again());
        }
        self.all_end(&self.client().await).await;
    }

    fn count(&self, word: &str) -> usize {
        self.witness.marks().iter().filter(|mark| mark.word == word).count()
    }

    /// Waits until the tasks have told the witness a word so often.
    fn told(&self, word: &str, often: usize) {
        Waiter::new(format!("{often} times {word:?}")).limit(LIMIT).until_blocking(|| {
            match self.count(word) {
                count if count >= often => Ok(()),
                count => Err(count),
            }
        });
    }

    /// Every run that there is ends well.
    async fn all_end(&self, client: &Client) {
        let all = runs::every(client, SHAPE.id, &self.tally).await;
        runs::succeed(client, SHAPE.id, &all, &self.tally).await;
    }

    async fn close(mut self) {
        let client = self.client().await;
        let all: BTreeSet<u64> = runs::every(&client, SHAPE.id, &self.tally).await;
        runs::acknowledged(&self.acks, &all, &self.tally);
        self.all_end(&client).await;
        marks::once_each(&self.witness.marks(), &all, SHAPE.tasks, &self.tally);
        for number in &all {
            explained::fits(&client, (SHAPE.id, *number), &self.tally).await;
            if let Some(outputs) = logs::read(&client, (SHAPE.id, *number), &self.tally).await {
                for task in SHAPE.tasks {
                    let output = outputs.get(*task);
                    let gaps = output.map_or(0, |output| output.gaps.len());
                    self.tally.add(GAPS, gaps);
                    logs::accounted(output, (*number, *task), &SHAPE, &self.tally);
                }
            }
        }
        self.tally.add("runs judged: end, witness, bytes and gaps, explain", all.len());
        processes::none_left(&mut self.server, &self.tally);
    }
}
