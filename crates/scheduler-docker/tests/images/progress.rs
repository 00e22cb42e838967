//! How far a fetch is, and giving one up. The way to the registry has a valve, so that a fetch is as slow as it is told.
//!
//! An engine leaves out what it would tell too soon after something else: so it is fed by and by until it has told enough.

use std::sync::Mutex;

use gofer_scheduler::{ImageProgress, Scheduler};
use gofer_testkit::wait_for;

use crate::bed::{Bed, script};
use gofer_testkit::docker::{Registry, Valve};

const SIZE: usize = 30 << 20;
const STEP: usize = 256 << 10;

/// Lets a little through, again and again, until so many different amounts were heard of.
async fn feed(valve: &Valve, heard: &Mutex<Vec<ImageProgress>>, amounts: usize) {
    wait_for("progress", async || {
        let mut known: Vec<u64> = heard.lock().unwrap().iter().map(|now| now.done).collect();
        known.dedup();
        if known.len() >= amounts {
            return Ok(());
        }
        valve.open(STEP);
        Err(format!("{known:?}"))
    })
    .await;
}

pub(crate) async fn progress_grows_and_ends_at_the_total() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (_, digest) = registry.publish_bytes(&bed.docker, "big:1", SIZE);
    let valve = Valve::before(&registry, STEP);
    let spec = script(&valve.name("big:1"), "true");
    let heard: Mutex<Vec<ImageProgress>> = Mutex::default();
    let mut hear = |now: ImageProgress| heard.lock().unwrap().push(now);
    let slowly = async {
        feed(&valve, &heard, 3).await;
        valve.open(2 * SIZE);
    };
    let (fetched, ()) = tokio::join!(bed.scheduler.images().unwrap().fetch(&spec, &mut hear), slowly);
    let fetched = fetched.unwrap();
    assert_eq!((fetched.fetched, fetched.digest), (true, digest));
    let heard = heard.into_inner().unwrap();
    let last = heard.last().unwrap();
    assert!(
        heard.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].total <= pair[1].total),
        "{heard:?}"
    );
    assert_eq!(last.done, last.total);
    assert!(last.total >= SIZE as u64 && last.total < (SIZE + (1 << 20)) as u64, "{last:?}");
}

pub(crate) async fn a_dropped_fetch_hinders_no_later_one() {
    let bed = Bed::with(|config| config.max_pulls = 1).await;
    let registry = Registry::start();
    let (_, digest) = registry.publish_bytes(&bed.docker, "big:1", SIZE);
    let valve = Valve::before(&registry, STEP);
    let spec = script(&valve.name("big:1"), "true");
    let heard: Mutex<Vec<ImageProgress>> = Mutex::default();
    let mut hear = |now: ImageProgress| heard.lock().unwrap().push(now);
    tokio::select! {
        answer = bed.scheduler.images().unwrap().fetch(&spec, &mut hear) => panic!("it is not there yet: {answer:?}"),
        () = feed(&valve, &heard, 1) => {}
    }
    valve.open(4 * SIZE);
    let fetched = bed.fetch(&spec).await.unwrap();
    assert_eq!((fetched.fetched, fetched.digest), (true, digest));
}
