//! Who waits for what, and in which order.

use gofer_engine::queue::Refused;
use gofer_engine::{EngineError, Page, RunFilter};
use gofer_testkit::wait_for;
use gofer_types::{Cause, Condition, RunState, TaskState};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn no_more_tasks_run_than_the_server_allows_and_the_others_say_why_they_wait() {
    let mut world = World::new();
    world.options.queue.server.running_tasks = 2;
    let engine = world.open().await;
    let all = ["a", "b", "c", "d"].map(|name| task(name, "gate=go", &[])).to_vec();
    let pipeline = register(&engine, pipeline("p", all)).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "b", TaskState::Running).await;
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 2);
    let waiting = state_of(&engine, &run, "c").await;
    assert_eq!(waiting.state, TaskState::Pending);
    assert_eq!(waiting.cause, Cause::WaitingForSlot("the server's limit of 2 running tasks".to_owned()));
    assert_eq!(world.backend.tasks(), 2, "INV-32");
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0, "INV-27");
}

/// Everything that ends at once is recorded at once: the largest run that an operator may allow fits, whatever its names are.
#[tokio::test(start_paused = true)]
async fn the_largest_run_is_cancelled_in_one_step() {
    let mut world = World::new();
    world.options.fan_out.tasks = 20_000;
    let engine = world.open().await;
    let long = |head: &str, length: usize| format!("{head}{}", "x".repeat(length - head.len()));
    let values: Vec<String> = (0..1_000).map(|n| long(&format!("v{n}-"), 47)).collect();
    let tasks = (0..20).map(|n| {
        let mut task = task(&long(&format!("t{n}-"), 80), "exit=0", &[]);
        task.matrix = [("a".to_owned(), values.clone().into())].into();
        task
    });
    let mut config = pipeline(&long("p", 70), tasks.collect());
    config.parallelism = 1;
    let id = register(&engine, config).await;
    world.backend.set_away(true);
    let _ = start(&engine, &id).await;
    let run = start(&engine, &id).await;
    assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Queued);
    engine.cancel_run(&ada(), &run, "y".repeat(1_024), false).await.unwrap();
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.tasks), (RunState::Cancelled, 20_000));
}

#[tokio::test(start_paused = true)]
async fn a_sequence_hands_its_only_slot_on() {
    let mut world = World::new();
    world.options.queue.server.running_tasks = 1;
    let engine = world.open().await;
    let all = vec![task("a", "exit=0", &[]), task("b", "exit=0", &[("a", Condition::Successful)])];
    let pipeline = register(&engine, pipeline("p", all)).await;
    let runs = [start(&engine, &pipeline).await, start(&engine, &pipeline).await];
    for run in runs {
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    }
    assert_eq!(engine.status(false).await.unwrap().running_tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_pipeline_wait_in_order_for_its_parallelism() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "run=1s", &[])]);
    config.parallelism = 1;
    let pipeline = register(&engine, config).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(start(&engine, &pipeline).await);
    }
    let queued = engine.get_run(&runs[3]).await.unwrap();
    assert_eq!(queued.state, RunState::Queued);
    assert_eq!(queued.cause, Cause::WaitingForSlot("the pipeline's parallelism of 1".to_owned()));
    assert_eq!(engine.status(false).await.unwrap().queued_runs, 4);
    let mut intervals = Vec::new();
    for run in &runs {
        let record = end(&engine, run).await;
        intervals.push((record.started.unwrap(), record.ended.unwrap()));
    }
    assert!(intervals.windows(2).all(|pair| pair[0].1 <= pair[1].0), "INV-32, INV-33: {intervals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_pipeline_does_not_hold_up_another() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("busy", vec![task("t", "gate=go", &[])]);
    config.parallelism = 1;
    let busy = register(&engine, config).await;
    let free = register(&engine, pipeline("free", vec![task("t", "exit=0", &[])])).await;
    let first = start(&engine, &busy).await;
    let second = start(&engine, &busy).await;
    let other = start(&engine, &free).await;
    assert_eq!(end(&engine, &other).await.state, RunState::Succeeded);
    world.backend.open_gate("go");
    end(&engine, &first).await;
    end(&engine, &second).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_that_waited_never_starts() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "witness=w,gate=go", &[])]);
    config.parallelism = 1;
    let pipeline = register(&engine, config).await;
    let first = start(&engine, &pipeline).await;
    let second = start(&engine, &pipeline).await;
    let third = start(&engine, &pipeline).await;
    engine.cancel_run(&ada(), &second, "no".to_owned(), false).await.unwrap();
    assert_eq!(end(&engine, &second).await.state, RunState::Cancelled);
    assert_eq!(state_of(&engine, &second, "t").await.attempts.len(), 0);
    world.backend.open_gate("go");
    end(&engine, &first).await;
    assert_eq!(end(&engine, &third).await.state, RunState::Succeeded);
    assert_eq!(world.backend.witnesses("w"), 2);
}

#[tokio::test(start_paused = true)]
async fn more_waiting_runs_than_allowed_are_refused() {
    let mut world = World::new();
    (world.options.queue.server.running_runs, world.options.queue.server.queued_runs) = (1, 1);
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let first = start(&engine, &pipeline).await;
    let second = start(&engine, &pipeline).await;
    let refused = engine.start_run(&ada(), wish(&pipeline)).await.unwrap_err();
    assert!(matches!(refused, EngineError::Queue { refused: Refused::ServerFull { limit: 1 }, .. }));
    world.backend.open_gate("go");
    end(&engine, &first).await;
    end(&engine, &second).await;
    let third = start(&engine, &pipeline).await;
    assert!(third.run.0 > second.run.0, "INV-14");
    end(&engine, &third).await;
}

#[tokio::test(start_paused = true)]
async fn active_runs_are_listed_newest_first_in_pages() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let mut runs = Vec::new();
    for _ in 0..7 {
        runs.push(start(&engine, &pipeline).await);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }
    let filter = RunFilter { active: true, ..RunFilter::default() };
    let mut page = Page { size: 3, token: None };
    let mut seen = Vec::new();
    loop {
        let listing = engine.list_runs(filter.clone(), page.clone()).await.unwrap();
        seen.extend(listing.items.into_iter().map(|run| run.id));
        match listing.next {
            Some(token) => page.token = Some(token),
            None => break,
        }
    }
    runs.reverse();
    assert_eq!(seen, runs);
    world.backend.open_gate("go");
    for run in &runs {
        end(&engine, run).await;
    }
    wait_for("no active run", || async {
        let left = engine.list_runs(filter.clone(), Page::default()).await.unwrap().items.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Who lists a page and cancels what is on it finds the rest behind it, also if nothing is left of that page.
#[tokio::test(start_paused = true)]
async fn a_page_of_active_runs_goes_on_behind_one_that_was_deleted() {
    let mut world = World::new();
    world.options.retention.runs.runs = 1;
    let engine = world.open().await;
    let id = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(start(&engine, &id).await);
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }
    let filter = RunFilter { active: true, ..RunFilter::default() };
    let first = engine.list_runs(filter.clone(), Page { size: 2, token: None }).await.unwrap();
    let last = first.items[1].id.clone();
    engine.cancel_run(&ada(), &last, String::new(), true).await.unwrap();
    end(&engine, &last).await;
    engine.cancel_run(&ada(), &runs[5], String::new(), true).await.unwrap();
    wait_for("it to be deleted", || async {
        match engine.get_run(&last).await {
            Err(EngineError::RunNotFound { .. }) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    let page = Page { size: 9, token: first.next };
    let rest = engine.list_runs(filter, page).await.unwrap();
    let rest: Vec<_> = rest.items.into_iter().map(|run| run.id).collect();
    assert_eq!(rest, [runs[3].clone(), runs[2].clone(), runs[1].clone(), runs[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_whose_time_passes_meanwhile_waits_in_peace() {
    let mut world = World::new();
    world.options.stop_grace = gofer_types::Span::from_secs(3600);
    let engine = world.open().await;
    let mut config = pipeline("p", vec![task("t", "ignore_term,hang", &[])]);
    config.timeout = Some(gofer_types::Span::from_secs(60));
    let pipeline = register(&engine, config).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, String::new(), false).await.unwrap();
    // not a sleep: it would never end if the driver never rested
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    let before = world.clock.sleeps();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let turns = world.clock.sleeps() - before;
    assert!(turns < 20, "{turns} turns without anything to do");
    engine.cancel_run(&ada(), &run, String::new(), true).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_obeyed_although_the_disk_is_full() {
    let world = World::new();
    let engine = world.open().await;
    let mut late = task("late", "witness=begun,on_term=0,hang", &[]);
    late.timeout = Some(gofer_types::Span::from_secs(60));
    let tasks = vec![late, task("quick", "run=5s", &[])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    until(&engine, &run, "late", TaskState::Running).await;
    world.disk.set_capacity(Some(0));
    // sleeps: virtual time: the end of the quick one waits for room when the deadline of the other passes
    tokio::time::sleep(std::time::Duration::from_secs(70)).await;
    let scheduler = world.backend.connect(&gofer_backend::Owner("test".to_owned()));
    let list = gofer_scheduler::Scheduler::list(&scheduler).await.unwrap();
    let ended =
        |item: &gofer_scheduler::TaskSummary| matches!(item.status, gofer_scheduler::TaskStatus::Ended(_));
    assert!(list.iter().all(ended), "{list:?}");
    world.disk.set_capacity(None);
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    assert_eq!(state_of(&engine, &run, "late").await.state, TaskState::TimedOut);
    assert_eq!(state_of(&engine, &run, "quick").await.state, TaskState::Succeeded);
}
