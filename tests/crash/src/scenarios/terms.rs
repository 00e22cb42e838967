//! The server is told to end while tasks run: once, twice, and while it starts. It ends in order, and the tasks go on.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_testkit::{ServerBox, Waiter};
use gofer_tests_e2e::crash::{Alive, Dice, alive, still_the_same};
use gofer_tests_e2e::{Witness, connect, register};

use super::{KEEP_ALL, off, order, under_way};
use crate::judge::Case;
use crate::judge::processes::is_alive;
use crate::load::Load;
use crate::scenario::{Plan, Scenario};
use crate::tally::Tally;
use crate::task::Shape;
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "terms",
    promise: "a server that is told to end ends with 0, also twice and as it starts, and its tasks go on",
    needs: &[],
    run,
};

const EPISODES: usize = 30;
const SHAPE: Shape = Shape { id: "terms", tasks: &["first", "second"], lines: 10, width: 0, pause: "0.1" };
const IN_FLIGHT: usize = 5;
/// How long a server may take to end.
const LIMIT: Duration = Duration::from_secs(20);
/// The bit of SIGTERM in the mask of signals that a process takes care of.
const TERM_BIT: u64 = 1 << 14;

const ONCE: &str = "told once";
const TWICE: &str = "told twice";
const STARTING: &str = "told before it was ready";
const GOES_ON: &str = "tasks that ran meanwhile, same process afterwards";

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let episodes = plan.times(EPISODES);
        [ONCE, TWICE].into_iter().for_each(|what| tally.floor(what, episodes / 3));
        tally.floor(STARTING, episodes / 10);
        tally.floor(GOES_ON, episodes);
        let mut dice = plan.dice();
        let mut server = off(|| ServerBox::builder().config(KEEP_ALL).start());
        let (witness, order) = order(&server, &SHAPE, IN_FLIGHT);
        register(&connect(server.addr()).await, &SHAPE.file()).await;
        let load = Load::begin(order.clone());
        for episode in 0..episodes {
            let client = connect(server.addr()).await;
            time::pass(Duration::from_millis(100 + dice.below(300))).await;
            let before = alive(&client, SHAPE.id, under_way(&client, &SHAPE).await).await;
            end(&mut server, &mut dice, episode % 3 == 1, &tally).await;
            go_on(&before, &witness, &tally);
            if episode % 3 == 2 {
                end_starting(&mut server, &mut dice, &tally).await;
            }
            off(|| server.start_again());
            load.is_up();
            tally.add(GOES_ON, before.len());
            still_the_same(&connect(server.addr()).await, SHAPE.id, &before).await;
        }
        let acks = load.finish().await;
        Case { shape: SHAPE, order, acks, witness: &witness, tally: &tally }.close(&mut server).await;
    }
    .boxed_local()
}

/// Tells a server that serves to end, perhaps twice, the second time at once or a little later.
async fn end(server: &mut ServerBox, dice: &mut Dice, twice: bool, tally: &Tally) {
    server.process().terminate();
    if twice {
        time::pass(Duration::from_millis(dice.below(20))).await;
        server.process().terminate();
    }
    tally.add(if twice { TWICE } else { ONCE }, 1);
    ended_well(server, "serving", tally);
}

/// Tells a server to end as soon as it takes care of that, which is before it is ready.
async fn end_starting(server: &mut ServerBox, dice: &mut Dice, tally: &Tally) {
    off(|| {
        server.begin();
        Waiter::new("the server to take care of signals")
            .until_blocking(|| if takes_care(server.pid()) { Ok(()) } else { Err("not yet") });
    });
    time::pass(Duration::from_millis(dice.below(3))).await;
    if !server.log().contains("  api ") {
        tally.add(STARTING, 1);
    }
    server.process().terminate();
    ended_well(server, "starting", tally);
}

fn ended_well(server: &mut ServerBox, when: &str, tally: &Tally) {
    let output = off(|| server.wait_ended(LIMIT));
    tally.check(output.code() == Some(0), || {
        format!("told while {when}, it ended with {:?}: {}", output.status, output.stderr)
    });
}

/// Whether a process has a handler for SIGTERM.
fn takes_care(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & TERM_BIT != 0)
}

/// Without a server, each task runs on, or has told the witness that it came to its end.
fn go_on(before: &Alive, witness: &Witness, tally: &Tally) {
    let running: BTreeSet<u32> = before.values().filter_map(|handle| handle.parse().ok()).collect();
    let stopped: Vec<u32> = running.into_iter().filter(|pid| !is_alive(*pid)).collect();
    let marks = witness.marks();
    for pid in stopped {
        let ended = marks.iter().any(|mark| mark.pid == pid && mark.word == "end");
        tally.check(ended, || format!("process {pid} did not outlive its server"));
    }
}
