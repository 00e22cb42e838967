//! The binary is replaced while tasks run and clients follow: no task notices, and no follower misses or repeats anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_testkit::{Binary, ServerBox, wait_for};
use gofer_tests_e2e::crash::{alive, still_the_same};
use gofer_tests_e2e::witness::say;
use gofer_tests_e2e::{Witness, connect, register};
use tokio::task::JoinSet;

use super::followers::{Copy, events, output, watch};
use super::{KEEP_ALL, off, order};
use crate::judge::{Case, marks};
use crate::load::{Load, Order};
use crate::scenario::{Plan, Scenario};
use crate::tally::Tally;
use crate::task::{Shape, WITNESS, head, task};
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upgrade",
    promise: "a new binary takes over: no task restarts, and followers miss and repeat nothing",
    needs: &[],
    run,
};

const UPGRADES: usize = 20;
const FOLLOWED: usize = 3;
/// The runs that come and go meanwhile.
const SHAPE: Shape = Shape { id: "passing", tasks: &["first", "second"], lines: 5, width: 0, pause: "0.05" };
/// The run that stays the whole time: it prints until a file is there, and keeps a copy of what it prints.
const STAYS: &str = "staying";
const TASK: &str = "only";

const REPLACED: &str = "times that the running binary was replaced";
const STAYED: &str = "tasks that ran meanwhile, same process afterwards";

fn staying() -> String {
    let script = format!(
        "{}\ni=0\nwhile [ ! -e \"$stop\" ]; do\nn=0\nwhile [ $n -lt 10 ]; do i=$((i+1)); n=$((n+1)); \
         line=\"line $i of run $GOFER_RUN_ID\"; echo \"$line\"; echo \"$line\" >> \"$copy\"; done\nsleep 0.05\ndone\n{}",
        say("start"),
        say("end")
    );
    head(STAYS, &[WITNESS, "copy", "stop"]) + &task(TASK, "", &script)
}

/// What belongs to the runs that stay.
struct Stay {
    witness: Witness,
    stop: PathBuf,
    runs: Vec<(u64, Copy)>,
}

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let upgrades = plan.times(UPGRADES);
        tally.floor(REPLACED, upgrades);
        tally.floor(STAYED, upgrades * FOLLOWED);
        let mut dice = plan.dice();
        let mut server = off(|| ServerBox::builder().config(KEEP_ALL).start());
        let (witness, order) = order(&server, &SHAPE, 3);
        let client = connect(server.addr()).await;
        register(&client, &SHAPE.file()).await;
        let stay = start_staying(&server).await;
        let mut followers = JoinSet::new();
        for (number, copy) in &stay.runs {
            followers.spawn(output(client.clone(), (STAYS, *number), copy.clone(), tally.clone()));
            followers.spawn(watch(client.clone(), (STAYS, *number), tally.clone()));
        }
        let mut all_events = JoinSet::new();
        all_events.spawn(events(client.clone(), (STAYS, stay.runs.len()), tally.clone()));
        let load = Load::begin(order.clone());
        let staying: Vec<(u64, &'static str)> = stay.runs.iter().map(|(number, _)| (*number, TASK)).collect();
        for upgrade in 0..upgrades {
            time::pass(Duration::from_millis(100 + dice.below(300))).await;
            let before = alive(&connect(server.addr()).await, STAYS, staying.clone()).await;
            off(|| replace(&mut server, upgrade, &tally));
            load.is_up();
            tally.add(STAYED, before.len());
            still_the_same(&connect(server.addr()).await, STAYS, &before).await;
        }
        std::fs::write(&stay.stop, "").expect("a file in the world");
        followers.join_all().await;
        all_events.join_all().await;
        let numbers: BTreeSet<u64> = stay.runs.iter().map(|(number, _)| *number).collect();
        marks::once_each(&stay.witness.marks(), &numbers, &[TASK], &tally);
        let acks = load.finish().await;
        Case { shape: SHAPE, order, acks, witness: &witness, tally: &tally }.close(&mut server).await;
    }
    .boxed_local()
}

/// Starts the runs that stay.
async fn start_staying(server: &ServerBox) -> Stay {
    let world = server.world();
    let (witness, stop) = (Witness::new(world.join("staying-witness")), world.join("stop"));
    let client = connect(server.addr()).await;
    register(&client, &staying()).await;
    let mut runs = Vec::new();
    for place in 0..FOLLOWED {
        let copy = world.join(format!("copy-{place}"));
        let text = |path: &Path| path.display().to_string();
        let variables = BTreeMap::from([
            (WITNESS.to_owned(), text(witness.path())),
            ("copy".to_owned(), text(&copy)),
            ("stop".to_owned(), text(&stop)),
        ]);
        let order = Order { address: server.addr(), pipeline: STAYS, variables, in_flight: 1 };
        let answer = client.start_run(order.request(&format!("stay-{place}"))).await.expect("it starts");
        runs.push((answer.run.expect("a run").number, Copy(copy)));
    }
    wait_for("the runs that stay to have begun", async || match witness.marks().len() {
        FOLLOWED => Ok(()),
        begun => Err(begun),
    })
    .await;
    Stay { witness, stop, runs }
}

/// Copies the binary under a new name, ends the old one in order or not, starts the new one, and deletes the old file.
fn replace(server: &mut ServerBox, upgrade: usize, tally: &Tally) {
    let name = |number: usize| server.world().join("bin").join(format!("gofer-{number}"));
    let (new, old) = (name(upgrade + 1), name(upgrade));
    std::fs::create_dir_all(server.world().join("bin")).expect("a folder in the world");
    std::fs::copy(Binary::find().path(), &new).expect("a copy of the binary");
    if upgrade.is_multiple_of(2) {
        let code = server.stop().code();
        tally.check(code == Some(0), || format!("the old server ended with {code:?}"));
    } else {
        server.kill9();
    }
    server.use_binary(Binary::at(new));
    server.start_again();
    // the first one is not ours to delete, and no file of that name is there
    let _ = std::fs::remove_file(old);
    tally.add(REPLACED, 1);
}
