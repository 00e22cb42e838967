//! Why something is where it is, as callers are told; the sentences themselves are proven where they are made.

use gofer_engine::{EngineError, Page};
use gofer_types::{Condition, RunState};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_run_in_the_queue_is_told_its_limit_and_its_place() {
    let mut world = World::new();
    world.options.queue.server.running_runs = 1;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "gate=go", &[])])).await;
    let first = start(&engine, &pipeline).await;
    let (_, third) = (start(&engine, &pipeline).await, start(&engine, &pipeline).await);
    let told = engine.explain_run(&third, None, Page::default()).await.unwrap();
    assert_eq!(told.about.text, "it waits for the server's limit of 1 running runs: place 2 of 2");
    assert_eq!(told.about.hold.map(|hold| (hold.place, hold.of)), Some((2, 2)));
    assert_eq!(told.tasks[0].1.text, "it waits for its run, which is queued");
    engine.cancel_run(&ada(), &first, String::new(), true).await.unwrap();
    end(&engine, &first).await;
    let told = engine.explain_run(&third, None, Page::default()).await.unwrap();
    assert_eq!(told.about.hold.map(|hold| (hold.place, hold.of)), Some((1, 1)));
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &third).await.state, RunState::Succeeded);
    let told = engine.explain_run(&third, None, Page::default()).await.unwrap();
    assert_eq!(told.about.text, "everything that had to be done succeeded: 1 succeeded of 1 task");
}

#[tokio::test(start_paused = true)]
async fn a_task_in_the_line_is_told_its_limit_and_its_place_and_tasks_come_in_pages() {
    let mut world = World::new();
    world.options.queue.server.running_tasks = 1;
    let engine = world.open().await;
    let mut tasks = ["a", "b", "c"].map(|name| task(name, "gate=go", &[])).to_vec();
    tasks.push(task("last", "exit=0", &[("a", Condition::Successful), ("c", Condition::Failure)]));
    let pipeline = register(&engine, pipeline("p", tasks)).await;
    let run = start(&engine, &pipeline).await;
    let told = engine.explain_run(&run, Some(&task_id("c")), Page::default()).await.unwrap();
    let text = "it waits for a slot, because of the server's limit of 1 running tasks: place 2 of 2";
    assert_eq!((told.tasks.len(), told.tasks[0].1.text.as_str()), (1, text));
    let mut page = Page { size: 3, token: None };
    let first = engine.explain_run(&run, None, page.clone()).await.unwrap();
    assert_eq!(first.tasks.len(), 3);
    page.token = first.next;
    let rest = engine.explain_run(&run, None, page).await.unwrap();
    let (last, told) = &rest.tasks[0];
    assert_eq!((rest.tasks.len(), last.id.task.as_str(), rest.next), (1, "last", None));
    assert!(told.text.starts_with("it waits for `a`, which is"), "{}", told.text);
    let missing = engine.explain_run(&run, Some(&task_id("d")), Page::default()).await;
    assert!(matches!(missing, Err(EngineError::TaskNotFound { .. })));
    world.backend.open_gate("go");
    end(&engine, &run).await;
}
