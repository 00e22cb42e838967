//! Section 2: what tasks ask of their parents, and how runs end.

use gofer_engine::Page;
use gofer_types::{Cause, Condition, Pipeline, RunState, Span, Task, TaskState};

use super::help::*;
use crate::support::*;

use Condition::{Always, Any, Failure, Successful};

/// Conditions: `successful` = succeeded; `failure` = failed, errored, lost, timed_out; `any` = either of these; `always` = any
/// terminal state.
#[tokio::test(start_paused = true)]
async fn each_condition_holds_for_the_ends_that_it_names() {
    // in the order of `Condition::ALL`: successful, failure, any, always
    let cases = [
        (TaskState::Succeeded, [true, false, true, true]),
        (TaskState::Failed, [false, true, true, true]),
        (TaskState::Errored, [false, true, true, true]),
        (TaskState::Lost, [false, true, true, true]),
        (TaskState::TimedOut, [false, true, true, true]),
        (TaskState::Cancelled, [false, false, false, true]),
        (TaskState::Skipped, [false, false, false, true]),
    ];
    for (parent, holds) in cases {
        let world = World::new();
        let engine = world.open().await;
        let child = |condition: Condition| {
            let word = condition.as_str();
            // it cleans up: a run with a cancelled parent is cancelled, and lets nothing else start
            Task { cleanup: true, ..task(word, &format!("witness={word}"), &[("t", condition)]) }
        };
        let run = run_ending(&engine, parent, Condition::ALL.map(child).to_vec()).await;
        assert_eq!(state_of(&engine, &run.id, "t").await.state, parent);
        for (wanted, holds) in Condition::ALL.into_iter().zip(holds) {
            let child = state_of(&engine, &run.id, wanted.as_str()).await;
            let expected = if holds { TaskState::Succeeded } else { TaskState::Skipped };
            assert_eq!(child.state, expected, "{wanted} of a parent that is {parent}");
            assert_eq!(world.backend.witnesses(wanted.as_str()), usize::from(holds));
            if !holds {
                let cause = Cause::ParentState { task: task_id("t"), state: parent, wanted };
                assert_eq!(child.cause, cause);
            }
        }
    }
}

/// A task starts when every parent is terminal and every condition holds.
#[tokio::test(start_paused = true)]
async fn a_task_starts_when_every_parent_has_ended_and_every_condition_holds() {
    let cases = [
        ("run=5s", Successful, "run=9s", Successful, true),
        ("run=9s", Successful, "run=5s", Successful, true),
        ("run=5s,exit=1", Failure, "run=9s", Successful, true),
        ("run=5s,exit=1", Any, "run=9s,lost=x", Any, true),
        ("run=9s,exit=1", Always, "no_program", Always, true),
        ("run=5s", Successful, "run=9s,exit=1", Successful, false),
        ("run=5s,exit=1", Successful, "run=9s", Always, false),
        ("run=9s", Failure, "run=5s", Any, false),
        ("run=9s,lost=x", Failure, "run=5s", Failure, false),
    ];
    for (one, of_one, other, of_other, starts) in cases {
        let tasks = vec![
            task("one", one, &[]),
            task("other", other, &[]),
            task("child", "witness=child", &[("one", of_one), ("other", of_other)]),
        ];
        let (world, engine, run) = live(pipeline("p", tasks)).await;
        assert_eq!(world.backend.witnesses("child"), usize::from(starts), "{one} {other}");
        let child = state_of(&engine, &run.id, "child").await;
        if starts {
            for parent in ["one", "other"] {
                let ended = state_of(&engine, &run.id, parent).await.ended.unwrap();
                assert!(attempts(&engine, &run.id, "child").await[0].created >= ended, "{one} {other}");
            }
        } else {
            assert_eq!(child.state, TaskState::Skipped);
        }
    }
}

/// It is skipped as soon as one condition cannot hold.
#[tokio::test(start_paused = true)]
async fn a_task_is_skipped_while_other_parents_still_run() {
    let cases = [
        ("exit=1", Successful, TaskState::Failed),
        ("no_program", Successful, TaskState::Errored),
        ("lost=gone", Successful, TaskState::Lost),
        ("exit=0", Failure, TaskState::Succeeded),
    ];
    for (script, wanted, state) in cases {
        let world = World::new();
        let engine = world.open().await;
        let tasks = vec![
            task("quick", script, &[]),
            task("slow", "gate=go", &[]),
            task("child", "witness=never", &[("quick", wanted), ("slow", Always)]),
            task("grandchild", "witness=never", &[("child", Any), ("slow", Always)]),
        ];
        let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
        until(&engine, &run, "grandchild", TaskState::Skipped).await;
        let slow = state_of(&engine, &run, "slow").await;
        assert!(!slow.state.is_terminal(), "the other parent still runs");
        let child = state_of(&engine, &run, "child").await;
        let cause = Cause::ParentState { task: task_id("quick"), state, wanted };
        assert_eq!((child.state, child.cause), (TaskState::Skipped, cause));
        assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Running);
        world.backend.open_gate("go");
        end(&engine, &run).await;
        assert_eq!(world.backend.witnesses("never"), 0);
    }
}

/// What happens to a run while its task `slow` runs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Nothing,
    Cancelled,
    /// Its own limit of a minute passes.
    Late,
    /// The limit passes, and while the run ends somebody cancels it.
    LateThenCancelled,
    /// Somebody cancels it, and while the run ends the limit passes.
    CancelledThenLate,
}

/// Scripts of tasks, and of tasks that may fail; then what the run comes to.
type End = (&'static [&'static str], &'static [&'static str], Then, RunState, &'static [&'static str]);

/// The run's end, first that applies: cancelled by somebody; its own deadline passed; a task failed or timed out (unless
/// `allow_failure`); a task errored or was lost; else succeeded.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_is_the_first_rule_that_applies() {
    const LATE: &str = "late";
    let cases: [End; 22] = [
        (&["exit=0"], &[], Then::Nothing, RunState::Succeeded, &[]),
        (&["exit=1"], &[], Then::Nothing, RunState::Failed, &["t0"]),
        (&["signal=9", "exit=1"], &[], Then::Nothing, RunState::Failed, &["t0", "t1"]),
        (&[LATE], &[], Then::Nothing, RunState::Failed, &["t0"]),
        (&["no_program"], &[], Then::Nothing, RunState::Errored, &["t0"]),
        (&["lost=x"], &[], Then::Nothing, RunState::Errored, &["t0"]),
        (&["no_program", "lost=x"], &[], Then::Nothing, RunState::Errored, &["t0", "t1"]),
        (&["no_program", "exit=1"], &[], Then::Nothing, RunState::Failed, &["t1"]),
        (&["lost=x", "exit=1"], &[], Then::Nothing, RunState::Failed, &["t1"]),
        (&["lost=x", LATE], &[], Then::Nothing, RunState::Failed, &["t1"]),
        // what may fail
        (&["exit=0"], &["exit=1"], Then::Nothing, RunState::Succeeded, &[]),
        (&[], &[LATE], Then::Nothing, RunState::Succeeded, &[]),
        (&[], &["no_program"], Then::Nothing, RunState::Errored, &["u0"]),
        (&[], &["lost=x"], Then::Nothing, RunState::Errored, &["u0"]),
        (&[], &["exit=1", "no_program"], Then::Nothing, RunState::Errored, &["u1"]),
        (&["exit=1"], &["exit=1"], Then::Nothing, RunState::Failed, &["t0"]),
        // what somebody or the run's own limit ended
        (&["exit=1"], &[], Then::Cancelled, RunState::Cancelled, &[]),
        (&["no_program", "lost=x"], &[], Then::Cancelled, RunState::Cancelled, &[]),
        (&["exit=1"], &[], Then::Late, RunState::TimedOut, &[]),
        (&["lost=x"], &["exit=1"], Then::Late, RunState::TimedOut, &[]),
        (&["exit=1"], &[], Then::LateThenCancelled, RunState::Cancelled, &[]),
        (&["exit=1"], &[], Then::CancelledThenLate, RunState::Cancelled, &[]),
    ];
    for (strict, excused, then, state, decided) in cases {
        let script = |script: &str| if script == LATE { "hang".to_owned() } else { script.to_owned() };
        let made = |prefix: &str, at: usize, text: &str, allow_failure: bool| {
            let timeout = (text == LATE).then(|| Span::from_secs(20));
            Task { allow_failure, timeout, ..task(&format!("{prefix}{at}"), &script(text), &[]) }
        };
        let strict_ones = strict.iter().enumerate().map(|(at, text)| made("t", at, text, false));
        let excused_ones = excused.iter().enumerate().map(|(at, text)| made("u", at, text, true));
        let mut tasks: Vec<Task> = strict_ones.chain(excused_ones).collect();
        if then != Then::Nothing {
            tasks.push(task("slow", "ignore_term,hang", &[]));
        }
        let timeout = (then != Then::Nothing && then != Then::Cancelled).then(|| Span::from_secs(60));
        let record = come_to(Pipeline { timeout, ..pipeline("p", tasks) }, then).await;
        let names = format!("{strict:?} {excused:?} {then:?}");
        assert_eq!(record.state, state, "{names}");
        let cause = match state {
            RunState::Succeeded => Cause::Completed,
            RunState::Cancelled => Cause::Cancelled("no".to_owned()),
            RunState::TimedOut => Cause::RunDeadline(std::time::Duration::from_secs(60)),
            _ => Cause::Tasks(decided.iter().map(|name| task_id(name)).collect()),
        };
        assert_eq!(record.cause, cause, "{names}");
    }
}

async fn come_to(config: Pipeline, then: Then) -> gofer_types::RunRecord {
    let world = World::new();
    let engine = world.open().await;
    let run = start(&engine, &register(&engine, config).await).await;
    if then != Then::Nothing {
        until(&engine, &run, "slow", TaskState::Running).await;
        // the others end by themselves first
        pass(&world, 10).await;
    }
    let cancel = async || drop(engine.cancel_run(&bob(), &run, "no".to_owned(), false).await.unwrap());
    match then {
        Then::Nothing | Then::Late => {}
        Then::Cancelled => cancel().await,
        Then::LateThenCancelled => {
            pass(&world, 55).await;
            cancel().await;
        }
        Then::CancelledThenLate => {
            pass(&world, 45).await;
            cancel().await;
        }
    }
    end(&engine, &run).await
}

/// All skipped is a success. A run has a task without parents, so "all" is all that depends on something.
#[tokio::test(start_paused = true)]
async fn a_run_of_which_everything_is_skipped_succeeds() {
    let cases = [("exit=0", false, Failure), ("exit=1", true, Successful)];
    for (script, allow_failure, wanted) in cases {
        let first = Task { allow_failure, ..task("first", script, &[]) };
        let names = ["a", "b", "c"];
        let rest = names.map(|name| task(name, "witness=never", &[("first", wanted)]));
        let deep = task("deep", "witness=never", &[("a", Any)]);
        let (world, engine, run) =
            live(pipeline("p", [first].into_iter().chain(rest).chain([deep]).collect())).await;
        assert_eq!((run.state, run.cause), (RunState::Succeeded, Cause::Completed), "{script}");
        let skipped = states(&engine, &run.id).await;
        assert_eq!(skipped.iter().filter(|(_, state)| *state == TaskState::Skipped).count(), 4);
        assert_eq!(world.backend.witnesses("never"), 0);
        let told = engine.explain_run(&run.id, None, Page::default()).await.unwrap();
        assert!(told.about.text.contains("4 skipped"), "{}", told.about.text);
    }
}
