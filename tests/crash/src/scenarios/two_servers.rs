//! A second server on the same directory is refused by name and changes nothing, also right after the first one was killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_proto::v1::GetStatusRequest;
use gofer_testkit::{Binary, Running, ServerBox, Waiter, free_port};
use gofer_tests_e2e::{connect, register};

use super::{off, order};
use crate::judge::Case;
use crate::load::Load;
use crate::scenario::{Plan, Scenario};
use crate::tally::Tally;
use crate::task::Shape;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "two-servers",
    promise: "a second server on the same directory is refused by name and changes nothing",
    needs: &[],
    run,
};

const SHAPE: Shape = Shape { id: "twice", tasks: &["first", "second"], lines: 5, width: 0, pause: "0.05" };
/// An idle server writes nothing by itself: its file is settled with every commit.
const CONFIG: &str = "[retention]\nlogs_runs = 0\n[storage.redb]\nsettle_after = \"0s\"";
const IDLE: usize = 5;
const RACES: usize = 20;
/// The code of a server that finds its directory in use.
const IN_USE: &str = "error[E0823]";

const REFUSED: &str = "second servers, refused by name";
const RACED: &str = "races of three servers after a kill, won by one";

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let (idle, races) = (plan.times(IDLE), plan.times(RACES));
        tally.floor(REFUSED, idle);
        tally.floor(RACED, races);
        let mut server = off(|| ServerBox::builder().config(CONFIG).start());
        for _ in 0..idle {
            beside_an_idle_one(&server, &tally).await;
        }
        let (witness, order) = order(&server, &SHAPE, 4);
        register(&connect(server.addr()).await, &SHAPE.file()).await;
        let load = Load::begin(order.clone());
        for _ in 0..races {
            let before = epoch(&server).await;
            let starts = off(|| race(&mut server, &tally));
            load.is_up();
            let after = epoch(&server).await;
            tally.check(after == before + starts, || {
                format!("{starts} servers opened the directory, and its epoch went from {before} to {after}")
            });
        }
        let acks = load.finish().await;
        Case { shape: SHAPE, order, acks, witness: &witness, tally: &tally }.close(&mut server).await;
    }
    .boxed_local()
}

async fn epoch(server: &ServerBox) -> u64 {
    let status = connect(server.addr()).await.get_status(GetStatusRequest::default()).await;
    status.expect("the server tells its status").epoch
}

/// A server that serves nobody now, and another one on its directory.
async fn beside_an_idle_one(server: &ServerBox, tally: &Tally) {
    let before = (epoch(server).await, content(&server.data_dir()));
    let output = off(|| second(server).wait(std::time::Duration::from_secs(20)));
    let after = (epoch(server).await, content(&server.data_dir()));
    let pid = server.pid().to_string();
    let named = output.code() == Some(i32::from(gofer_client::ErrorKind::Conflict.exit_code()))
        && output.stderr.contains(IN_USE)
        && output.stderr.contains(&pid);
    tally.check(named, || format!("the second server: {:?}: {}", output.code(), output.stderr));
    tally.check(before == after, || {
        let files =
            |content: &(u64, BTreeMap<PathBuf, Vec<u8>>)| content.1.keys().cloned().collect::<Vec<_>>();
        format!("the second server changed something: {:?}, then {:?}", files(&before), files(&after))
    });
    tally.add(REFUSED, 1);
}

/// Kills the server; it is started again, and two others at the same moment on other ports. One of the three gets the
/// directory. If it was another one, that one is killed, and ours is started. Answers how many opened it, one by one.
fn race(server: &mut ServerBox, tally: &Tally) -> u64 {
    server.kill9();
    let mut others = [second(server), second(server)];
    server.begin();
    let ours = server.ready();
    let mut won = usize::from(ours.is_ok());
    for other in &mut others {
        let ready = Waiter::new("another server to be ready or refused").until_blocking(|| {
            let ended = other.ended().is_some();
            let log = other.stderr();
            if ended {
                Ok(false)
            } else if log.contains("  api ") {
                Ok(true)
            } else {
                Err(log)
            }
        });
        let log = other.stderr();
        tally.check(ready || log.contains(IN_USE), || {
            format!("another server ended for another reason: {log}")
        });
        won += usize::from(ready);
    }
    tally.check(won == 1, || format!("{won} servers got the directory"));
    tally.check(ours.as_ref().err().is_none_or(|log| log.contains(IN_USE)), || format!("ours: {ours:?}"));
    tally.add(RACED, 1);
    drop(others);
    if ours.is_ok() {
        return 1;
    }
    server.kill9();
    server.start_again();
    2
}

/// Another server on the same directory, on a port of its own.
fn second(server: &ServerBox) -> Running {
    let world = server.world();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\ndata_dir = {:?}\n{CONFIG}\n",
        free_port(),
        server.data_dir().display().to_string()
    );
    let port = free_port();
    let file = world.write(format!("second-{port}.toml"), text);
    let mut command = Binary::find().command(world);
    command.args([Path::new("server"), Path::new("start"), Path::new("--config"), &file]);
    Running::start(command, world)
}

/// Every file below a directory, with what is in it.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read(&path).unwrap_or_default());
            }
        }
    }
    files
}
