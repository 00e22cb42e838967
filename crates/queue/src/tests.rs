//! One promise for each rule, with hand-made cases. Random histories against the model are in `histories`, what is
//! promised over time in `promises`.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, RunRef};

use crate::{
    Arrival, Bounds, Counts, Item, Limit, Limits, NamespaceLimits, Phase, Priority, Queue, Rate, Refused,
    Slot, SlotId, ValueError, Weight,
};

mod histories;
mod model;
mod promises;

const T0: Duration = Duration::ZERO;

fn space(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn pipeline(namespace: &str, id: &str) -> PipelineRef {
    PipelineRef { namespace: space(namespace), pipeline: PipelineId::new(id).unwrap() }
}

/// A run by its address: `namespace/pipeline/number`.
fn run(address: &str) -> RunRef {
    let mut parts = address.split('/');
    let mut part = || parts.next().unwrap();
    pipeline(part(), part()).run(RunNumber(part().parse().unwrap()))
}

fn runs(addresses: &[&str]) -> Vec<RunRef> {
    addresses.iter().map(|address| run(address)).collect()
}

fn item(address: &str, parallelism: u32) -> Item {
    let (policy, priority) = (QueuePolicy::Wait, Priority::default());
    Item { run: run(address), parallelism, policy, priority, at: 0, within: false }
}

fn prior(address: &str, priority: i8, at: u64) -> Item {
    Item { priority: Priority::new(priority).unwrap(), at, ..item(address, 0) }
}

fn slot(address: &str, task: u32) -> SlotId {
    SlotId { run: run(address), task }
}

/// Limits on what runs in the server as a whole.
fn server(running_runs: usize, running_tasks: usize) -> Limits {
    let server = Bounds { running_runs, running_tasks, ..Bounds::NONE };
    Limits { server, ..Limits::default() }
}

/// The same, with a limit on the running runs and tasks of one namespace.
fn with_space(limits: &Limits, name: &str, running: usize, weight: u8) -> Limits {
    let bounds = Bounds { running_runs: running, running_tasks: running, ..Bounds::NONE };
    let own = NamespaceLimits { bounds, weight: Weight::new(weight).unwrap() };
    let mut namespaces = limits.namespaces.clone();
    namespaces.insert(space(name), own);
    Limits { namespaces, ..limits.clone() }
}

fn arrive(queue: &mut Queue, item: Item) -> Arrival {
    queue.arrive(item, T0).unwrap()
}

fn starts(queue: &mut Queue, address: &str) -> bool {
    arrive(queue, item(address, 0)).admitted
}

/// Ends each run that starts, and answers in which order all start.
fn drain(queue: &mut Queue, first: &str) -> Vec<String> {
    let mut order = Vec::new();
    let mut running = runs(&[first]);
    while let Some(run) = running.pop() {
        order.push(format!("{}/{}/{}", run.pipeline.namespace, run.pipeline.pipeline, run.run));
        queue.end(&run);
        running.extend(queue.admit(T0));
    }
    order
}

#[test]
fn what_fits_starts_at_once() {
    let mut queue = Queue::new(server(2, 1));
    let arrival = arrive(&mut queue, item("a/p/1", 1));
    assert_eq!(arrival, Arrival { admitted: true, held: None, replaces: Vec::new() });
    assert!(starts(&mut queue, "a/q/1"));
    assert_eq!((queue.counts().running_runs, queue.phase(&run("a/p/1"))), (2, Some(Phase::Running)));
    assert_eq!(queue.held(&run("a/p/1")), None);
}

#[test]
fn each_limit_is_named_with_the_place_in_its_line() {
    let mut queue = Queue::new(with_space(&server(2, 9), "small", 1, 1));
    let mut texts = Vec::new();
    for one in [
        item("a/p/1", 1),
        item("a/p/2", 1),
        item("a/p/3", 1),
        item("a/p/4", 0),
        item("small/p/1", 0),
        item("small/p/2", 0),
        item("a/q/1", 0),
        item("b/q/1", 0),
    ] {
        let run = one.run.clone();
        let held = arrive(&mut queue, one).held;
        assert_eq!(queue.held(&run).map(|hold| hold.limit), held);
        texts.extend(queue.held(&run).map(|hold| format!("{run}: {hold} ({}/{})", hold.place, hold.of)));
    }
    assert_eq!(
        texts,
        [
            "a::p/2: the pipeline's parallelism of 1 (1/1)",
            "a::p/3: the pipeline's parallelism of 1 (2/2)",
            "a::p/4: earlier runs of the pipeline (3/3)",
            "small::p/2: the namespace's limit of 1 running runs (1/1)",
            "a::q/1: the server's limit of 2 running runs (1/1)",
            "b::q/1: the server's limit of 2 running runs (1/2)",
        ],
        "namespace `b` has had no start yet and goes before `a`"
    );
    assert_eq!(queue.held(&run("a/q/1")).map(|hold| (hold.place, hold.of)), Some((2, 2)));
    assert_eq!(Limit::Namespace { runs: 3 }.value(), Some(3));
    assert_eq!(Limit::Predecessors.value(), None);
}

#[test]
fn a_run_that_its_pipeline_would_let_start_is_not_told_that_the_pipeline_holds_it() {
    let mut queue = Queue::new(server(1, 1));
    for address in ["a/p/1", "a/p/2", "a/p/3", "a/p/4"] {
        arrive(&mut queue, item(address, 3));
    }
    let limit = |address| queue.held(&run(address)).unwrap().limit;
    assert_eq!(limit("a/p/2"), Limit::Server { runs: 1 });
    assert_eq!(limit("a/p/3"), Limit::Server { runs: 1 });
    assert_eq!(limit("a/p/4"), Limit::Pipeline { parallelism: 3 });
}

#[test]
fn no_later_run_overtakes_an_earlier_one_of_its_pipeline_whatever_its_parallelism() {
    let mut queue = Queue::new(Limits::default());
    assert!(arrive(&mut queue, item("a/p/1", 1)).admitted);
    for (address, parallelism) in [("a/p/2", 1), ("a/p/3", 5), ("a/p/4", 0)] {
        assert!(!arrive(&mut queue, item(address, parallelism)).admitted, "INV-33: {address}");
    }
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), runs(&["a/p/2", "a/p/3", "a/p/4"]));
}

#[test]
fn each_run_starts_by_its_own_parallelism() {
    let mut queue = Queue::new(Limits::default());
    for address in ["a/p/1", "a/p/2", "a/p/3"] {
        assert!(arrive(&mut queue, item(address, 3)).admitted);
    }
    assert!(!arrive(&mut queue, item("a/p/4", 2)).admitted);
    queue.end(&run("a/p/3"));
    assert_eq!(queue.admit(T0), [], "two run, and two are its parallelism");
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), runs(&["a/p/4"]));
}

#[test]
fn one_level_of_priority_is_worth_one_ageing_of_waiting() {
    let limits = Limits { ageing: Duration::from_micros(100), ..server(1, 1) };
    let mut queue = Queue::new(limits);
    assert!(starts(&mut queue, "a/p/1"));
    for (address, priority, at) in [
        ("a/p/2", 0, 1_000),
        ("a/q/1", 1, 1_099),
        ("a/q/2", 1, 1_101),
        ("a/r/1", -1, 1_101),
        ("a/r/2", 10, 1_999),
    ] {
        assert!(!arrive(&mut queue, prior(address, priority, at)).admitted);
    }
    assert_eq!(drain(&mut queue, "a/p/1"), ["a/p/1", "a/q/1", "a/r/2", "a/p/2", "a/q/2", "a/r/1"]);
}

#[test]
fn priority_orders_the_runs_of_one_pipeline() {
    let mut queue = Queue::new(Limits::default());
    let with = |address, priority| Item { parallelism: 1, ..prior(address, priority, 0) };
    for (address, priority) in [("a/p/1", 0), ("a/p/2", 0), ("a/p/3", 5), ("a/p/4", 5), ("a/p/5", -5)] {
        arrive(&mut queue, with(address, priority));
    }
    assert_eq!(drain(&mut queue, "a/p/1"), ["a/p/1", "a/p/3", "a/p/4", "a/p/2", "a/p/5"]);
}

#[test]
fn a_wall_clock_that_goes_back_lets_nobody_overtake() {
    let mut queue = Queue::new(server(1, 1));
    assert!(starts(&mut queue, "a/p/1"));
    for (address, at) in [("a/p/2", 5_000_000), ("a/q/1", 1), ("a/p/3", 2)] {
        arrive(&mut queue, prior(address, 0, at));
    }
    assert_eq!(drain(&mut queue, "a/p/1"), ["a/p/1", "a/p/2", "a/q/1", "a/p/3"]);
}

#[test]
fn namespaces_take_turns_by_their_weight() {
    let mut queue = Queue::new(with_space(&server(1, 1), "heavy", usize::MAX, 2));
    assert!(starts(&mut queue, "z/p/1"));
    for number in 1..=4 {
        starts(&mut queue, &format!("heavy/p/{number}"));
    }
    for number in 1..=3 {
        starts(&mut queue, &format!("light/p/{number}"));
    }
    let order: Vec<String> =
        drain(&mut queue, "z/p/1").into_iter().map(|run| run.split('/').next().unwrap().to_owned()).collect();
    assert_eq!(order, ["z", "heavy", "light", "heavy", "light", "heavy", "heavy", "light"]);
}

#[test]
fn a_namespace_saves_nothing_up_by_idling() {
    let mut queue = Queue::new(server(1, 1));
    assert!(starts(&mut queue, "busy/p/0"));
    for number in 1..=50 {
        starts(&mut queue, &format!("busy/p/{number}"));
    }
    let mut last = run("busy/p/0");
    for _ in 0..30 {
        queue.end(&last);
        last = queue.admit(T0).pop().unwrap();
    }
    for number in 1..=3 {
        starts(&mut queue, &format!("new/p/{number}"));
    }
    let order = drain(&mut queue, &format!("busy/p/{}", last.run));
    let newcomers: Vec<usize> = (0..order.len()).filter(|place| order[*place].starts_with("new")).collect();
    assert_eq!(newcomers, [1, 3, 5], "{order:?}");
}

#[test]
fn who_is_at_its_own_limit_holds_nobody_else_up() {
    let mut queue = Queue::new(with_space(&server(9, 9), "small", 1, 1));
    for address in ["small/p/1", "small/p/2", "small/q/1"] {
        starts(&mut queue, address);
    }
    arrive(&mut queue, item("a/p/1", 1));
    assert!(!arrive(&mut queue, item("a/p/2", 1)).admitted);
    assert!(starts(&mut queue, "a/q/1"), "beside a pipeline at its limit");
    assert!(starts(&mut queue, "b/q/1"), "beside a namespace at its limit");
    assert_eq!(queue.counts_of(&space("small")).queued_runs, 2);
}

#[test]
fn a_full_queue_refuses_by_number_what_would_have_to_wait() {
    let limits = Limits {
        server: Bounds { running_runs: 2, queued_runs: 2, ..Bounds::NONE },
        namespace: Bounds { queued_runs: 1, ..Bounds::NONE },
        ..Limits::default()
    };
    let mut queue = Queue::new(limits);
    assert!(starts(&mut queue, "a/p/1") && starts(&mut queue, "a/p/2") && !starts(&mut queue, "a/p/3"));
    let refused = queue.arrive(item("a/p/4", 0), T0).unwrap_err();
    assert_eq!(refused.to_string(), "the limit of 1 queued runs of namespace `a` is reached");
    assert!(!starts(&mut queue, "b/p/1"));
    let refused = queue.arrive(item("c/p/1", 0), T0).unwrap_err();
    assert_eq!(refused, Refused::ServerFull { limit: 2 });
    assert_eq!(refused.to_string(), "the server's limit of 2 queued runs is reached");
    assert_eq!(queue.phase(&run("c/p/1")), None, "no trace is left");
    assert_eq!((queue.seated(&pipeline("c", "p")), queue.counts().queued_runs), (0, 2));
}

#[test]
fn a_queue_that_may_hold_nobody_still_lets_in_what_need_not_wait() {
    let server = Bounds { running_runs: 1, queued_runs: 0, ..Bounds::NONE };
    let mut queue = Queue::new(Limits { server, ..Limits::default() });
    assert!(starts(&mut queue, "a/p/1"));
    assert_eq!(queue.arrive(item("a/p/2", 0), T0), Err(Refused::ServerFull { limit: 0 }));
    queue.end(&run("a/p/1"));
    assert!(starts(&mut queue, "a/p/2"));
}

fn replace(address: &str, parallelism: u32) -> Item {
    Item { policy: QueuePolicy::Replace, ..item(address, parallelism) }
}

#[test]
fn replacing_names_the_oldest_once_and_waits_for_their_end() {
    let mut queue = Queue::new(Limits::default());
    assert!(arrive(&mut queue, replace("a/p/1", 2)).admitted);
    assert_eq!(arrive(&mut queue, replace("a/p/2", 2)).replaces, []);
    let third = arrive(&mut queue, replace("a/p/3", 2));
    assert_eq!((third.admitted, third.replaces), (false, runs(&["a/p/1"])));
    assert_eq!(third.held, Some(Limit::Pipeline { parallelism: 2 }));
    assert_eq!(arrive(&mut queue, replace("a/p/4", 2)).replaces, runs(&["a/p/2"]), "nobody is named twice");
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), runs(&["a/p/3"]));
    queue.end(&run("a/p/2"));
    assert_eq!(queue.admit(T0), runs(&["a/p/4"]));
}

#[test]
fn a_waiting_run_that_is_replaced_does_not_start_any_more() {
    let mut queue = Queue::new(Limits::default());
    assert!(arrive(&mut queue, item("a/p/1", 1)).admitted);
    arrive(&mut queue, item("a/p/2", 1));
    assert_eq!(arrive(&mut queue, replace("a/p/3", 1)).replaces, runs(&["a/p/1", "a/p/2"]));
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), [], "the second is on its way out, the third behind it");
    assert_eq!(queue.held(&run("a/p/2")).map(|hold| hold.limit), Some(Limit::Replaced));
    queue.end(&run("a/p/2"));
    assert_eq!(queue.admit(T0), runs(&["a/p/3"]));
}

#[test]
fn a_run_that_is_spared_goes_on_as_if_it_had_not_been_replaced() {
    let mut queue = Queue::new(Limits::default());
    assert!(arrive(&mut queue, item("a/p/1", 1)).admitted);
    arrive(&mut queue, item("a/p/2", 1));
    let arrival = arrive(&mut queue, replace("a/p/3", 1));
    queue.forget(&run("a/p/3"));
    arrival.replaces.iter().for_each(|run| queue.spare(run));
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), runs(&["a/p/2"]));
    queue.spare(&run("a/p/1"));
    assert_eq!(
        arrive(&mut queue, replace("a/p/4", 1)).replaces,
        runs(&["a/p/2"]),
        "it may be replaced again"
    );
    queue.spare(&run("a/p/9"));
}

fn part(address: &str, parallelism: u32) -> Item {
    Item { within: true, ..item(address, parallelism) }
}

#[test]
fn a_part_of_a_run_that_runs_waits_for_its_pipeline_alone() {
    let mut queue = Queue::new(server(1, 1));
    assert!(arrive(&mut queue, item("a/p/1", 0)).admitted);
    assert!(!arrive(&mut queue, item("a/q/1", 1)).admitted, "the server is full");
    assert!(arrive(&mut queue, part("a/q/2", 1)).admitted, "whoever waits for it holds the place already");
    assert!(!arrive(&mut queue, part("a/q/3", 1)).admitted);
    assert!(
        !arrive(&mut queue, part("a/q/4", 1)).admitted,
        "it is not refused, although as many wait as may"
    );
    let hold = queue.held(&run("a/q/4")).unwrap();
    assert_eq!((hold.limit, hold.place, hold.of), (Limit::Pipeline { parallelism: 1 }, 2, 2));
    queue.end(&run("a/q/2"));
    assert_eq!(queue.admit(T0), runs(&["a/q/3"]), "before the others of its pipeline");
    queue.end(&run("a/q/4"));
    queue.end(&run("a/q/3"));
    assert_eq!(queue.admit(T0), [], "the first run still runs");
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), runs(&["a/q/1"]));
    queue.end(&run("a/q/1"));
    assert_eq!((queue.counts(), queue.counts_of(&run("a/p/1").pipeline.namespace)), Default::default());
}

#[test]
fn without_a_parallelism_nothing_is_replaced() {
    let mut queue = Queue::new(server(1, 1));
    assert!(arrive(&mut queue, replace("a/p/1", 0)).admitted);
    for address in ["a/p/2", "a/p/3"] {
        let arrival = arrive(&mut queue, replace(address, 0));
        assert_eq!((arrival.admitted, arrival.replaces), (false, Vec::new()));
    }
}

#[test]
fn refusing_is_for_the_parallelism_alone() {
    let refuse = |address: &str| Item { policy: QueuePolicy::Refuse, ..item(address, 2) };
    let mut queue = Queue::new(server(1, 1));
    assert!(arrive(&mut queue, refuse("a/p/1")).admitted);
    let second = arrive(&mut queue, refuse("a/p/2"));
    assert_eq!(second.held, Some(Limit::Server { runs: 1 }), "only the server holds it back");
    let refused = queue.arrive(refuse("a/p/3"), T0).unwrap_err();
    assert_eq!(refused, Refused::PipelineBusy { parallelism: 2, runs: runs(&["a/p/1", "a/p/2"]) });
    assert_eq!(refused.to_string(), "the pipeline's parallelism of 2 is used up");
    assert_eq!(queue.phase(&run("a/p/3")), None);
    queue.end(&run("a/p/2"));
    assert!(queue.arrive(refuse("a/p/3"), T0).is_ok());
}

#[test]
fn a_refusal_names_ten_runs_at_most() {
    let mut queue = Queue::new(Limits::default());
    for number in 1..=30 {
        arrive(&mut queue, item(&format!("a/p/{number}"), 30));
    }
    let last = Item { policy: QueuePolicy::Refuse, ..item("a/p/31", 30) };
    let Err(Refused::PipelineBusy { runs, .. }) = queue.arrive(last, T0) else { panic!("it is not busy") };
    assert_eq!((runs.len(), &runs[0]), (10, &run("a/p/1")));
}

#[test]
fn the_rate_holds_starts_back_and_says_until_when() {
    let starts = Some(Rate::new(2, Duration::from_secs(60)).unwrap());
    let mut queue = Queue::new(Limits { starts, ..Limits::default() });
    let at = Duration::from_secs;
    let mut go = |address: &str, now| {
        let arrival = queue.arrive(item(address, 0), now).unwrap();
        (arrival.admitted, arrival.held.map(|limit| limit.to_string()), queue.next_start(now))
    };
    assert_eq!(go("a/p/1", at(100)), (true, None, None));
    assert_eq!(go("a/p/2", at(110)), (true, None, None));
    let text = "the server's rate of 2 starts per 1m".to_owned();
    assert_eq!(go("a/p/3", at(110)), (false, Some(text.clone()), Some(at(130))));
    assert_eq!(go("a/p/4", at(131)), (false, Some(text), None), "the third is the next, and may start");
    assert_eq!(queue.admit(at(120)), [], "a time that lies back is no new credit");
    assert_eq!(queue.admit(at(135)), runs(&["a/p/3"]));
    assert_eq!(queue.held(&run("a/p/4")).map(|hold| (hold.place, hold.of)), Some((1, 1)));
    assert_eq!(queue.next_start(at(135)), Some(at(160)));
    assert_eq!((queue.admit(at(159)), queue.admit(at(160))), (Vec::new(), runs(&["a/p/4"])));
    assert_eq!(queue.next_start(at(160)), None, "nobody waits");
}

#[test]
fn a_clock_that_goes_back_earns_no_credit_twice() {
    let starts = Some(Rate::new(2, Duration::from_secs(60)).unwrap());
    let mut queue = Queue::new(Limits { starts, ..Limits::default() });
    let mut go =
        |address: &str, now| queue.arrive(item(address, 0), Duration::from_secs(now)).unwrap().admitted;
    assert!(go("a/p/1", 200) && go("a/p/2", 100) && !go("a/p/3", 229));
    assert_eq!(queue.next_start(Duration::from_secs(229)), Some(Duration::from_secs(230)));
}

#[test]
fn a_server_at_its_limit_does_not_wait_for_the_rate() {
    let rate = Rate::new(1, Duration::from_secs(60)).unwrap();
    let mut queue = Queue::new(Limits { starts: Some(rate), ..server(1, 1) });
    assert!(starts(&mut queue, "a/p/1") && !starts(&mut queue, "a/p/2"));
    assert_eq!(queue.next_start(T0), None);
    queue.end(&run("a/p/1"));
    assert_eq!(queue.next_start(T0), Some(Duration::from_secs(60)));
}

#[test]
fn repeated_and_unknown_calls_change_nothing() {
    let mut queue = Queue::new(server(1, 1));
    assert!(starts(&mut queue, "a/p/1"));
    assert!(!starts(&mut queue, "a/p/2"));
    assert!(arrive(&mut queue, item("a/p/1", 0)).admitted);
    assert_eq!(arrive(&mut queue, item("a/p/2", 0)).held, Some(Limit::Server { runs: 1 }));
    assert_eq!(queue.restore(item("a/p/1", 0), Phase::Queued), []);
    for unknown in ["a/p/9", "a/x/1", "x/p/1"] {
        queue.end(&run(unknown));
        queue.forget(&run(unknown));
        queue.withdraw(&slot(unknown, 0));
        queue.release(&run(unknown).pipeline.namespace, 3);
        assert_eq!((queue.held(&run(unknown)), queue.slots_held(&run(unknown)).len()), (None, 0));
    }
    assert_eq!(queue.counts(), Counts { queued_runs: 1, running_runs: 1, ..Counts::default() });
    for _ in 0..2 {
        queue.end(&run("a/p/1"));
        queue.forget(&run("a/p/2"));
    }
    assert_eq!(queue.counts(), Counts::default());
    assert_eq!((queue.active(&pipeline("a", "p")), queue.seated(&pipeline("a", "p"))), (0, 1));
    assert!(!arrive(&mut queue, item("a/p/1", 0)).admitted, "it has ended and is not begun anew");
    queue.forget(&run("a/p/1"));
    assert_eq!(queue.seated(&pipeline("a", "p")), 0);
}

#[test]
fn what_was_restored_above_the_limits_stays_and_nothing_is_added() {
    let mut queue = Queue::new(server(1, 1));
    assert_eq!(queue.restore(item("a/p/1", 1), Phase::Running), []);
    assert_eq!(queue.restore(item("a/p/2", 1), Phase::Running), []);
    assert_eq!(queue.restore(item("a/p/3", 1), Phase::Queued), []);
    assert_eq!(queue.restore(item("a/p/4", 1), Phase::Ended), []);
    assert_eq!((queue.counts().running_runs, queue.active(&pipeline("a", "p"))), (2, 3));
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(T0), []);
    queue.end(&run("a/p/2"));
    assert_eq!(queue.admit(T0), runs(&["a/p/3"]));
}

#[test]
fn a_restored_run_still_replaces_the_older_ones() {
    let mut queue = Queue::new(Limits::default());
    queue.restore(item("a/p/1", 1), Phase::Running);
    queue.restore(item("a/p/2", 1), Phase::Queued);
    assert_eq!(queue.restore(replace("a/p/3", 1), Phase::Queued), runs(&["a/p/1", "a/p/2"]));
    assert_eq!(queue.restore(replace("a/p/4", 1), Phase::Running), [], "one that runs has replaced already");
}

#[test]
fn slots_are_granted_up_to_the_limits_and_then_in_turn() {
    let mut queue = Queue::new(with_space(&server(9, 2), "small", 1, 1));
    assert_eq!(queue.ask(slot("small/p/1", 0), false), Slot::Granted);
    let Slot::Wait(Some(held)) = queue.ask(slot("small/p/1", 1), false) else { panic!("it has no room") };
    assert_eq!(held.to_string(), "the namespace's limit of 1 running tasks");
    assert_eq!(queue.ask(slot("a/p/1", 0), false), Slot::Granted);
    for task in 1..=2 {
        let Slot::Wait(Some(held)) = queue.ask(slot("a/p/1", task), false) else {
            panic!("there is no room")
        };
        assert_eq!(held.to_string(), "the server's limit of 2 running tasks");
    }
    assert_eq!(queue.ask(slot("b/p/1", 0), false), Slot::Wait(Some(Limit::ServerTasks { tasks: 2 })));
    let place = |queue: &Queue, address, task| {
        queue.slots_held(&run(address)).get(&task).map(|hold| (hold.place, hold.of))
    };
    assert_eq!(place(&queue, "small/p/1", 1), Some((1, 1)));
    assert_eq!(place(&queue, "b/p/1", 0), Some((1, 3)), "it has had nothing yet");
    assert_eq!(place(&queue, "a/p/1", 2), Some((3, 3)));
    let all = queue.slots_held(&run("a/p/1"));
    assert_eq!(
        all.iter().map(|(task, hold)| (*task, hold.place)).collect::<Vec<_>>(),
        [(1, 2), (2, 3)],
        "all at once"
    );
    queue.release(&space("a"), 1);
    assert_eq!(queue.grant(), [slot("b/p/1", 0)]);
    queue.withdraw(&slot("a/p/1", 1));
    queue.release(&space("small"), 1);
    assert_eq!(queue.grant(), [slot("small/p/1", 1)], "it has had less than `a`");
    queue.release(&space("b"), 5);
    assert_eq!(queue.grant(), [slot("a/p/1", 2)]);
    assert_eq!(queue.counts().running_tasks, 2);
}

#[test]
fn a_spare_slot_stays_only_where_nobody_has_the_right_to_it() {
    let mut queue = Queue::new(with_space(&server(9, 1), "small", 0, 1));
    assert_eq!(queue.ask(slot("a/p/1", 0), true), Slot::Granted);
    assert!(matches!(queue.ask(slot("small/p/1", 0), false), Slot::Wait(_)));
    assert_eq!(
        queue.ask(slot("a/p/1", 1), true),
        Slot::Spare,
        "who waits at its own limit has no right to it"
    );
    assert_eq!(queue.counts().running_tasks, 1);
    assert!(matches!(queue.ask(slot("b/p/1", 0), false), Slot::Wait(_)));
    assert!(matches!(queue.ask(slot("a/p/1", 2), true), Slot::Wait(_)), "now somebody waits");
    queue.release(&space("a"), 1);
    assert_eq!(queue.grant(), [slot("b/p/1", 0)]);
    assert!(matches!(queue.ask(slot("c/p/1", 0), true), Slot::Wait(_)), "it has none to give back");
}

#[test]
fn above_the_limit_no_slot_is_granted_not_even_a_spare_one() {
    let mut queue = Queue::new(server(9, 1));
    queue.hold(&space("a"));
    queue.hold(&space("a"));
    assert!(matches!(queue.ask(slot("a/p/1", 0), true), Slot::Wait(_)));
    queue.release(&space("a"), 1);
    assert_eq!(queue.grant(), []);
    queue.release(&space("a"), 1);
    assert_eq!(queue.grant(), [slot("a/p/1", 0)]);
}

#[test]
fn the_tasks_of_a_run_that_ended_leave_the_line() {
    let mut queue = Queue::new(server(9, 0));
    for (address, task) in [("a/p/1", 0), ("a/p/1", 7), ("a/p/2", 0), ("a/p/1", u32::MAX)] {
        queue.ask(slot(address, task), false);
        queue.ask(slot(address, task), false);
    }
    assert_eq!(queue.counts().waiting_tasks, 4, "asking again changes nothing");
    queue.end(&run("a/p/1"));
    assert_eq!(queue.counts_of(&space("a")).waiting_tasks, 1);
    queue.forget(&run("a/p/2"));
    assert_eq!(queue.counts(), Counts::default());
    assert!(queue.slots.spaces.is_empty(), "nothing is remembered");
}

#[test]
fn values_out_of_their_range_are_refused() {
    assert_eq!(Weight::new(0), Err(ValueError::Weight { found: 0 }));
    assert_eq!(Weight::new(11).unwrap_err().to_string(), "a weight is from 1 to 10, not 11");
    assert_eq!(Priority::new(-11).unwrap_err().to_string(), "a priority is from -10 to 10, not -11");
    assert!((-10..=10).all(|priority| Priority::new(priority).is_ok()));
    assert!((1..=10).all(|weight| Weight::new(weight).is_ok()));
    for (starts, per) in [(0, Duration::from_secs(1)), (1, Duration::ZERO)] {
        assert_eq!(Rate::new(starts, per), Err(ValueError::Rate));
    }
}

#[test]
fn the_greatest_values_do_no_harm() {
    let starts = Some(Rate::new(u32::MAX, Duration::MAX).unwrap());
    let mut queue = Queue::new(Limits { starts, ageing: Duration::MAX, ..server(1, 1) });
    let item = |address, priority, at| Item { parallelism: u32::MAX, ..prior(address, priority, at) };
    assert!(queue.arrive(item("a/p/1", -10, u64::MAX), Duration::MAX).unwrap().admitted);
    for (address, priority) in [("a/p/2", -10), ("a/p/3", 10)] {
        assert!(!queue.arrive(item(address, priority, 0), T0).unwrap().admitted);
    }
    assert_eq!(queue.next_start(Duration::MAX), None);
    queue.end(&run("a/p/1"));
    assert_eq!(queue.admit(Duration::MAX), runs(&["a/p/3"]));
}

#[test]
fn a_namespace_without_limits_of_its_own_has_the_common_ones() {
    let namespace = Bounds { running_runs: 3, ..Bounds::NONE };
    let limits = with_space(&Limits { namespace, ..Limits::default() }, "own", 7, 4);
    assert_eq!(limits.of(&space("own")).bounds.running_runs, 7);
    assert_eq!(limits.of(&space("own")).weight.get(), 4);
    assert_eq!(limits.of(&space("other")), NamespaceLimits { bounds: namespace, weight: Weight::default() });
    assert_eq!(BTreeMap::from_iter(limits.namespaces).len(), 1);
}
