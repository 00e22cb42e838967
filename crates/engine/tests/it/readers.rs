//! What readers see: events without a hole, every change of a run, output to its end.

use futures_util::StreamExt;
use gofer_engine::{EngineError, EventFilter, EventRange, LogQuery, Page};
use gofer_logs::StreamKind;
use gofer_types::{Cause, Condition, EventKind, RunState, TaskState};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_every_state_of_every_task_in_order() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("a", "gate=go", &[]),
        task("b", "exit=1", &[("a", Condition::Successful)]),
        task("c", "exit=0", &[("b", Condition::Successful)]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let mut updates = engine.watch_run(&run).await.unwrap();
    let first = updates.next().await.unwrap().unwrap();
    assert_eq!(first.tasks.len(), 3);
    assert_eq!(first.tasks[2].cause, Cause::WaitingForParents(vec![task_id("b")]));
    world.backend.open_gate("go");
    let mut seen = Vec::new();
    let mut last = first.run;
    let mut seq = first.seq;
    while let Some(update) = updates.next().await {
        let update = update.unwrap();
        assert!(update.seq > seq);
        seq = update.seq;
        seen.extend(update.tasks.into_iter().map(|task| (task.id.task.to_string(), task.state)));
        last = update.run.or(last);
    }
    let of = |name: &str| {
        seen.iter().filter(|(task, _)| task == name).map(|(_, state)| *state).collect::<Vec<_>>()
    };
    use TaskState::{Failed, Pending, Running, Skipped, Succeeded};
    assert!(of("a").ends_with(&[Running, Succeeded]) || of("a").ends_with(&[Succeeded]), "{:?}", of("a"));
    assert_eq!(of("b").last(), Some(&Failed));
    assert!(of("b").contains(&Pending));
    assert_eq!(of("c"), [Skipped]);
    let stored = engine.get_run(&run).await.unwrap();
    assert_eq!(last.unwrap(), stored, "the last picture is the record");
    let fresh = watch(&engine, &run).await.unwrap();
    assert_eq!(fresh.len(), 1, "a run that has ended is told at once");
    assert_eq!(fresh[0].tasks.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_picture_of_every_watcher_is_the_same_whenever_it_began() {
    let world = World::new();
    let engine = world.open().await;
    let all = (0..30).map(|n| task(&format!("t{n}"), &format!("run={}ms", n % 7), &[])).collect();
    let pipeline = register(&engine, pipeline("p", all)).await;
    let run = start(&engine, &pipeline).await;
    let watchers = (0..20_u64).map(|delay| {
        let (engine, run) = (engine.clone(), run.clone());
        async move {
            // sleeps: virtual time: each watcher begins at another moment
            tokio::time::sleep(std::time::Duration::from_micros(delay * 400)).await;
            let updates = watch(&engine, &run).await.unwrap();
            let mut tasks = std::collections::BTreeMap::new();
            for task in updates.into_iter().flat_map(|update| update.tasks) {
                let rank = |state: TaskState| match state {
                    TaskState::Waiting => 0,
                    TaskState::Pending => 1,
                    TaskState::Running => 2,
                    _ => 3,
                };
                let id = task.id.task.clone();
                if let Some(before) = tasks.insert(id, task.clone()) {
                    let before: gofer_types::TaskRunRecord = before;
                    assert!(rank(before.state) <= rank(task.state), "INV-28");
                }
            }
            tasks.into_values().collect::<Vec<_>>()
        }
    });
    let mut stored: Vec<_> = Vec::new();
    for seen in futures_util::future::join_all(watchers).await {
        if stored.is_empty() {
            stored = tasks(&engine, &run).await;
            stored.sort_by(|a, b| a.id.cmp(&b.id));
        }
        assert_eq!(seen, stored);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_every_event_once_and_in_order_from_any_place() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "exit=0", &[])])).await;
    let mut from_first = engine.follow_events(EventFilter::default(), 1).await.unwrap();
    let mut from_now = engine.follow_events(EventFilter::default(), 0).await.unwrap();
    let before = engine.status(false).await.unwrap().last_event;
    for _ in 0..5 {
        let run = start(&engine, &pipeline).await;
        end(&engine, &run).await;
    }
    let last = engine.status(false).await.unwrap().last_event;
    for (follower, first) in [(&mut from_first, 1), (&mut from_now, before + 1)] {
        let mut seen = Vec::new();
        while seen.last() != Some(&last) {
            let page = follower.next().await.unwrap().unwrap();
            seen.extend(page.events.iter().map(|event| event.seq));
        }
        assert_eq!(seen, (first..=last).collect::<Vec<_>>(), "INV-29");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_drops_events_and_still_advances() {
    let world = World::new();
    let engine = world.open().await;
    let one = register(&engine, pipeline("one", vec![task("t", "exit=0", &[])])).await;
    let filter = EventFilter { types: vec!["namespace_deleted".to_owned()], ..EventFilter::default() };
    let mut follower = engine.follow_events(filter, 1).await.unwrap();
    let page = follower.next().await.unwrap().unwrap();
    assert!(page.events.is_empty() && page.seq >= 3);
    let run = start(&engine, &one).await;
    end(&engine, &run).await;
    let filter = EventFilter {
        pipeline: Some(one.pipeline.clone()),
        run: Some(run.run),
        types: vec!["run".to_owned()],
        namespace: None,
    };
    let mut page = Page { size: 1, token: None };
    let mut seen = Vec::new();
    loop {
        let range = EventRange { newest_first: true, ..EventRange::default() };
        let listing = engine.list_events(filter.clone(), range, page.clone()).await.unwrap();
        seen.extend(listing.items);
        match listing.next {
            Some(token) => page.token = Some(token),
            None => break,
        }
    }
    let states: Vec<_> = seen
        .iter()
        .map(|event| match &event.kind {
            EventKind::Run { state, .. } => *state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [RunState::Succeeded, RunState::Running]);
    let since = seen[0].at;
    let range = EventRange { since: Some(since), ..EventRange::default() };
    let listing = engine.list_events(EventFilter::default(), range, Page::default()).await.unwrap();
    assert!(!listing.items.is_empty() && listing.items.iter().all(|event| event.at >= since));
    let bad = Page { size: 1, token: Some("nonsense".to_owned()) };
    let refused = engine.list_events(EventFilter::default(), EventRange::default(), bad).await.unwrap_err();
    assert!(matches!(refused, EngineError::InvalidPageToken));
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_output_gets_all_of_it_and_then_the_end() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        task("a", "print=one,gate=go,print=two", &[]),
        task("b", "print=three,exit=1", &[("a", Condition::Successful)]),
        task("never", "print=x", &[("b", Condition::Successful)]),
        task("silent", "exit=0", &[]),
    ];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let follow = LogQuery { follow: true, ..LogQuery::default() };
    let mut pages = engine.read_logs(&run, follow).await.unwrap();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(&*first.entries[0].data, b"one");
    world.backend.open_gate("go");
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await {
        lines.extend(
            page.unwrap().entries.into_iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()),
        );
    }
    assert_eq!(lines, ["two", "three"]);
    let query = LogQuery { cursor: Some(first.cursor), ..LogQuery::default() };
    let rest: Vec<_> = engine.read_logs(&run, query).await.unwrap().collect().await;
    let rest = rest.into_iter().flat_map(|page| page.unwrap().entries).count();
    assert_eq!(rest, 2, "a cursor goes on where the page ended");
    let bad = LogQuery { cursor: Some("xyz".to_owned()), ..LogQuery::default() };
    assert!(matches!(engine.read_logs(&run, bad).await.err(), Some(EngineError::InvalidCursor)));
    let tail = LogQuery { tail: Some(1), tasks: vec![task_id("a")], ..LogQuery::default() };
    let tail: Vec<_> = engine.read_logs(&run, tail).await.unwrap().collect().await;
    let tail: Vec<_> = tail.into_iter().flat_map(|page| page.unwrap().entries).collect();
    assert_eq!(tail.len(), 1);
    assert_eq!(&*tail[0].data, b"two");
}

#[tokio::test(start_paused = true)]
async fn the_tail_is_of_the_entries_that_are_wanted() {
    let world = World::new();
    let engine = world.open().await;
    let noise = ",print=noise".repeat(50);
    let script = format!("eprint=e1,eprint=e2,eprint=e3{noise},eprint=e4{noise}");
    let pipeline = register(&engine, pipeline("p", vec![task("t", &script, &[])])).await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(output(&engine, &run, true).await.len(), 104);
    for (tail, expected) in [(0, &[][..]), (1, &["e4"]), (2, &["e3", "e4"]), (9, &["e1", "e2", "e3", "e4"])] {
        let query = LogQuery { tail: Some(tail), stream: Some(StreamKind::Err), ..LogQuery::default() };
        let pages: Vec<_> = engine.read_logs(&run, query).await.unwrap().collect().await;
        let entries = pages.into_iter().flat_map(|page| page.unwrap().entries);
        let lines: Vec<_> = entries.map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect();
        assert_eq!(lines, expected, "the last {tail}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_goes_on_does_not_tell_the_history_of_silent_tasks() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![task("silent", "print=a,print=b", &[]), task("loud", "gate=go,print=c", &[])];
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let silent = LogQuery { tasks: vec![task_id("silent")], follow: true, ..LogQuery::default() };
    let stored: Vec<_> = engine.read_logs(&run, silent).await.unwrap().collect().await;
    assert!(!stored.is_empty());
    let query = LogQuery { tail: Some(0), follow: true, ..LogQuery::default() };
    let mut pages = engine.read_logs(&run, query).await.unwrap();
    let opening = pages.next().await.unwrap().unwrap();
    assert!(opening.entries.is_empty());
    world.backend.open_gate("go");
    let page = pages.next().await.unwrap().unwrap();
    assert_eq!(&*page.entries[0].data, b"c");
    assert!(pages.next().await.is_none());
    for (cursor, expected) in [(opening.cursor, 1), (page.cursor, 0)] {
        let query = LogQuery { cursor: Some(cursor), ..LogQuery::default() };
        let pages: Vec<_> = engine.read_logs(&run, query).await.unwrap().collect().await;
        let entries = pages.into_iter().flat_map(|page| page.unwrap().entries).count();
        assert_eq!(entries, expected, "only what came behind the place");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_output_is_told() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "print=a,gap=100,print=b", &[])])).await;
    let run = start(&engine, &pipeline).await;
    end(&engine, &run).await;
    assert_eq!(output(&engine, &run, true).await, ["t: a", "t: gap of Some(100)", "t: b"], "INV-51");
}

#[tokio::test(start_paused = true)]
async fn readers_are_counted_and_one_too_many_is_refused() {
    let mut world = World::new();
    world.options.max_followers = 2;
    let engine = world.open().await;
    let one = engine.follow_events(EventFilter::default(), 0).await.unwrap();
    let _two = engine.follow_events(EventFilter::default(), 0).await.unwrap();
    let refused = engine.follow_events(EventFilter::default(), 0).await.err();
    assert!(matches!(refused, Some(EngineError::TooManyFollowers { limit: 2 })));
    drop(one);
    let _three = engine.follow_events(EventFilter::default(), 0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn readers_end_with_an_error_when_the_engine_stops() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let run = start(&engine, &pipeline).await;
    let mut events = engine.follow_events(EventFilter::default(), 0).await.unwrap();
    let logs = engine.read_logs(&run, LogQuery { follow: true, ..LogQuery::default() }).await.unwrap();
    let updates = engine.watch_run(&run).await.unwrap();
    until(&engine, &run, "t", TaskState::Running).await;
    engine.shutdown().await;
    let last = |result: Option<bool>| assert_eq!(result, Some(true), "an error, not an end");
    while let Some(page) = events.next().await {
        if page.is_err() {
            break;
        }
    }
    last(logs.collect::<Vec<_>>().await.last().map(Result::is_err));
    last(updates.collect::<Vec<_>>().await.last().map(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_run_are_listed_in_the_order_of_the_file() {
    let world = World::new();
    let engine = world.open().await;
    let names = ["z", "a", "m", "b", "y"];
    let all = names.map(|name| task(name, "exit=0", &[])).to_vec();
    let pipeline = register(&engine, pipeline("p", all)).await;
    let run = start(&engine, &pipeline).await;
    end(&engine, &run).await;
    let mut page = Page { size: 2, token: None };
    let mut seen = Vec::new();
    loop {
        let listing = engine.list_task_runs(&run, page.clone()).await.unwrap();
        seen.extend(listing.items.into_iter().map(|task| task.id.task.to_string()));
        match listing.next {
            Some(token) => page.token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen, names);
}

#[tokio::test(start_paused = true)]
async fn output_that_is_not_kept_is_nowhere_and_the_answer_says_so() {
    let world = World::new();
    let engine = world.open().await;
    let mut silent = task("silent", "print=canary-of-silence,exit=3", &[]);
    silent.logging = Some(false);
    let both = register(&engine, pipeline("p", vec![silent.clone(), task("loud", "print=heard", &[])])).await;
    let run = start(&engine, &both).await;
    end(&engine, &run).await;
    assert_eq!(output(&engine, &run, true).await, ["loud: heard"]);
    let named = LogQuery { tasks: vec![task_id("silent"), task_id("loud")], ..LogQuery::default() };
    let refused = engine.read_logs(&run, named).await.map(drop);
    assert!(matches!(refused, Err(EngineError::LoggingOff { .. })), "{refused:?}");
    assert_eq!(state_of(&engine, &run, "silent").await.exit_code, Some(3), "the exit code is kept");
    let quiet = gofer_types::Pipeline {
        logging: false,
        ..pipeline("q", vec![task("t", "print=canary-of-silence", &[])])
    };
    let run = start(&engine, &register(&engine, quiet).await).await;
    end(&engine, &run).await;
    let refused = engine.read_logs(&run, LogQuery::default()).await.map(drop);
    assert!(matches!(refused, Err(EngineError::LoggingOff { .. })), "{refused:?}");
    world.empty().await;
    let mut folders = vec![world.logs.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(17).any(|part| part == b"canary-of-silence");
                assert!(!found, "{}", path.display());
            }
        }
    }
}
