//! How far a fetch is, and giving one up. The way to the registry has a valve, so that a fetch stands still where it is told.

use std::sync::Mutex;

use gofer_scheduler::{ImageProgress, Scheduler};

use crate::bed::{Bed, script};
use crate::registry::{Registry, Valve};

const SIZE: usize = 30 << 20;
const STEP: usize = 8 << 20;

pub(crate) async fn progress_grows_and_ends_at_the_total() {
    let (bed, registry) = (Bed::new().await, Registry::start());
    let (_, digest) = registry.publish_bytes(&bed.docker, "big:1", SIZE);
    let valve = Valve::before(&registry, STEP);
    let spec = script(&valve.name("big:1"), "true");
    let heard = Mutex::new(Vec::<ImageProgress>::new());
    let mut hear = |now: ImageProgress| {
        heard.lock().unwrap().push(now);
        // It is opened further only when something was told, so that it is told more than once.
        valve.open(STEP);
    };
    let fetched = bed.scheduler.images().unwrap().fetch(&spec, &mut hear).await.unwrap();
    assert_eq!((fetched.fetched, fetched.digest), (true, digest));
    let heard = heard.into_inner().unwrap();
    let (first, last) = (heard.first().unwrap(), heard.last().unwrap());
    assert!(first.done < last.done, "{heard:?}");
    assert!(
        heard.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].total <= pair[1].total),
        "{heard:?}"
    );
    assert_eq!(last.done, last.total);
    assert!(last.total >= SIZE as u64 && last.total < (SIZE + STEP) as u64, "{last:?}");
}

pub(crate) async fn a_dropped_fetch_hinders_no_later_one() {
    let bed = Bed::with(|config| config.max_pulls = 1).await;
    let registry = Registry::start();
    let (_, digest) = registry.publish_bytes(&bed.docker, "big:1", SIZE);
    let valve = Valve::before(&registry, STEP);
    let spec = script(&valve.name("big:1"), "true");
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let mut tell = move |now: ImageProgress| {
        let _ = sender.send(now);
    };
    let images = bed.scheduler.images().unwrap();
    tokio::select! {
        answer = images.fetch(&spec, &mut tell) => panic!("it cannot end behind a closed valve: {answer:?}"),
        now = begun.recv() => assert!(now.unwrap().done < SIZE as u64),
    }
    valve.open(usize::MAX);
    let fetched = bed.fetch(&spec).await.unwrap();
    assert_eq!((fetched.fetched, fetched.digest), (true, digest));
}
