//! The server is killed at random moments under load, also while it takes up what it was killed from before.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_testkit::ServerBox;
use gofer_tests_e2e::crash::{Dice, alive, still_the_same};
use gofer_tests_e2e::{connect, register};

use super::{KEEP_ALL, off, order, under_way};
use crate::judge::Case;
use crate::load::Load;
use crate::scenario::{Plan, Scenario};
use crate::tally::Tally;
use crate::task::Shape;
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kills",
    promise: "a server killed at any moment loses, doubles and leaves stuck nothing, and tasks go on",
    needs: &[],
    run,
};

const KILLS: usize = 200;
const SHAPE: Shape =
    Shape { id: "crash", tasks: &["first", "left", "right"], lines: 8, width: 0, pause: "0.04" };
const IN_FLIGHT: usize = 8;

const KILLED: &str = "kills at a random moment under load";
const EARLY: &str = "of these within 50 ms of a start";
const ALIVE: &str = "tasks alive at a kill, same process afterwards";

/// How long a server lives at most, and how long one at most that is killed as it starts.
const LIFE: u64 = 350;
const SHORT_LIFE: u64 = 50;

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let kills = plan.times(KILLS);
        tally.floor(KILLED, kills);
        tally.floor(EARLY, kills / 8);
        tally.floor(ALIVE, kills / 2);
        let mut dice = plan.dice();
        let mut server = off(|| ServerBox::builder().config(KEEP_ALL).start());
        let (witness, order) = order(&server, &SHAPE, IN_FLIGHT);
        register(&connect(server.addr()).await, &SHAPE.file()).await;
        let load = Load::begin(order.clone());
        let mut left = kills;
        while left > 0 {
            let client = connect(server.addr()).await;
            time::pass(Duration::from_millis(dice.below(LIFE))).await;
            let before = alive(&client, SHAPE.id, under_way(&client, &SHAPE).await).await;
            off(|| server.kill9());
            left -= 1 + short_lives(&mut server, &mut dice, left - 1, &tally).await;
            off(|| server.start_again());
            load.is_up();
            tally.add(KILLED, 1);
            tally.add(ALIVE, before.len());
            still_the_same(&connect(server.addr()).await, SHAPE.id, &before).await;
        }
        let acks = load.finish().await;
        tally.floor("acknowledged runs", kills / 2);
        Case { shape: SHAPE, order, acks, witness: &witness, tally: &tally }.close(&mut server).await;
    }
    .boxed_local()
}

/// Starts the server and kills it as it takes up what was there, never or several times; how often.
async fn short_lives(server: &mut ServerBox, dice: &mut Dice, most: usize, tally: &Tally) -> usize {
    let mut lives = 0;
    while lives < most && dice.below(3) == 0 {
        off(|| server.begin());
        time::pass(Duration::from_millis(dice.below(SHORT_LIFE))).await;
        off(|| server.kill9());
        tally.add(KILLED, 1);
        tally.add(EARLY, 1);
        lives += 1;
    }
    lives
}
