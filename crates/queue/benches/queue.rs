//! Figures of the queue: what each call costs while very many wait.
//!
//! Run with `cargo bench -p gofer-queue`. The number of runs is the first argument that is a number.
#![expect(clippy::unwrap_used, reason = "a bench that fails says so by ending")]
#![expect(clippy::print_stdout, reason = "its figures are its product")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gofer_queue::{Bounds, Item, Limits, Priority, Queue, SlotId};
use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, RunRef};

const T0: Duration = Duration::ZERO;

fn main() {
    let count = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(100_000_u64);
    for pipelines in [1, 1_000] {
        println!("{count} runs of {pipelines} pipelines in {} namespaces", pipelines.min(20));
        runs(count, pipelines);
        slots(count, pipelines);
    }
}

fn limits() -> Limits {
    let server = Bounds { running_runs: 100, running_tasks: 100, ..Bounds::NONE };
    Limits { server, ageing: Duration::from_micros(100), ..Limits::default() }
}

fn item(nth: u64, pipelines: u64) -> Item {
    let pipeline = nth % pipelines;
    let namespace = Namespace::new(format!("n{}", pipeline % 20)).unwrap();
    let pipeline = PipelineRef { namespace, pipeline: PipelineId::new(format!("p{pipeline}")).unwrap() };
    let run = pipeline.run(RunNumber(nth / pipelines + 1));
    let priority = Priority::new(i8::try_from(nth * 7 % 21).unwrap() - 10).unwrap();
    Item { run, parallelism: 2, policy: QueuePolicy::Wait, priority, at: nth, within: false }
}

fn report(what: &str, count: usize, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    let took = started.elapsed();
    let each = took.as_secs_f64() * 1e9 / count.max(1) as f64;
    println!("  {what}: {count} in {took:.2?}, {each:.0} ns each");
}

fn runs(count: u64, pipelines: u64) {
    let items: Vec<Item> = (0..count).map(|nth| item(nth, pipelines)).collect();
    let all: Vec<RunRef> = items.iter().map(|item| item.run.clone()).collect();
    let mut queue = Queue::new(limits());
    let mut running = Vec::new();
    report("arrive", all.len(), || {
        for item in items {
            let run = item.run.clone();
            if queue.arrive(item, T0).unwrap().admitted {
                running.push(run);
            }
        }
    });
    report("end and admit", all.len() / 2, || {
        for nth in 0..all.len() / 2 {
            queue.end(&running[nth]);
            running.extend(queue.admit(T0));
        }
    });
    report("held", 10, || {
        for run in all.iter().rev().step_by(all.len() / 10) {
            black_box(queue.held(run));
        }
    });
    report("end what waits", all.len(), || all.iter().rev().for_each(|run| queue.end(run)));
    report("forget", all.len(), || all.iter().for_each(|run| queue.forget(run)));
}

fn slots(count: u64, pipelines: u64) {
    let slots: Vec<SlotId> =
        (0..count).map(|nth| SlotId { run: item(nth, pipelines).run, task: 0 }).collect();
    let namespaces: Vec<Namespace> = slots.iter().map(|slot| slot.run.pipeline.namespace.clone()).collect();
    let mut queue = Queue::new(limits());
    report("ask", slots.len(), || {
        for slot in &slots {
            black_box(queue.ask(slot.clone(), false));
        }
    });
    report("release and grant", slots.len(), || {
        for namespace in &namespaces {
            queue.release(namespace, 1);
            black_box(queue.grant());
        }
    });
}
