//! An engine without room.

use gofer_backend::{ErrorKind, RetryAdvice};
use gofer_testkit::docker::{Engine, Registry};

use crate::bed::{Bed, script};

const DISK: u64 = 24 << 20;

pub(crate) async fn a_full_disk_of_the_engine_is_told_as_such() {
    let registry = Registry::start();
    let roomy = Engine::builder().start();
    let (name, _) = registry.publish_bytes(roomy.docker(), "big:1", DISK as usize);
    let small = Engine::builder().small_disk(DISK).start();
    let bed = Bed::at(small.docker().clone(), |_| {}).await;
    let fault = bed.refused(&script(&name, "true")).await;
    let told = (fault.kind(), fault.advice(), fault.message());
    let wanted = (ErrorKind::Exhausted, RetryAdvice::Later { after: None }, "the engine's disk is full");
    assert_eq!(told, wanted, "{}", fault.chain());
}
