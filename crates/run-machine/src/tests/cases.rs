//! One promise for each rule that a random history would seldom meet, with hand-made cases.

use std::sync::Arc;
use std::time::Duration;

use gofer_types::{Cause, Condition, RunState, TaskState};

use super::bench::Bench;
use super::commands::Command;
use super::graphs::{Wanted, chain, pipeline};
use super::model::Outcome;
use super::promises::Promises;
use super::records::Records;
use crate::{Decision, Fact, Plan, RunMachine};

#[test]
fn a_cycle_is_no_plan() {
    let mut tasks = chain(3);
    tasks[0].parents.push((2, Condition::Always));
    assert!(Plan::new(&pipeline(&tasks), Duration::ZERO).is_err());
}

#[test]
fn records_of_another_version_are_refused() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(2)), Duration::ZERO).unwrap());
    let records = Records::new(3, &Wanted::default());
    assert!(RunMachine::restore(&plan, &records.run, std::iter::empty()).is_err());
}

#[test]
fn a_run_that_ended_without_its_tasks_is_refused() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(2)), Duration::ZERO).unwrap());
    let mut records = Records::new(2, &Wanted::default());
    records.run.state = RunState::Succeeded;
    assert!(RunMachine::restore(&plan, &records.run, std::iter::empty()).is_err());
}

#[test]
fn an_exit_before_the_cancel_keeps_its_code() {
    let promises = Promises::default();
    let mut bench = Bench::new(&chain(1), &promises);
    bench.obey(Command::Admit);
    bench.grant(0);
    bench.over(0, Outcome::Other, false);
    bench.obey(Command::Cancel { force: true });
    let record = &bench.records.tasks[&0];
    assert_eq!((record.state, record.exit_code), (TaskState::Failed, Some(3)));
    assert_eq!(bench.machine.state(), RunState::Failed);
}

#[test]
fn an_exit_behind_the_cancel_is_cancelled_and_keeps_its_code() {
    let promises = Promises::default();
    let mut bench = Bench::new(&chain(1), &promises);
    bench.obey(Command::Admit);
    bench.grant(0);
    bench.obey(Command::Cancel { force: false });
    bench.over(0, Outcome::Zero, false);
    let record = &bench.records.tasks[&0];
    assert_eq!((record.state, record.exit_code), (TaskState::Cancelled, Some(0)));
    assert_eq!(record.cause, Cause::Cancelled("enough".to_owned()));
    assert_eq!(bench.machine.state(), RunState::Cancelled);
}

#[test]
fn what_an_attempt_waits_for_is_told_until_it_runs_or_is_to_end() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(1)), Duration::ZERO).unwrap());
    let waits = |attempt| Fact::Waits(0, attempt, Cause::FetchingImage("alpine:3".to_owned()));
    let mut machine = RunMachine::new(plan, &Records::new(1, &Wanted::default()).run);
    machine.apply(Fact::Admitted);
    assert!(machine.apply(waits(0)).is_empty(), "there is no attempt yet");
    machine.apply(Fact::Slot(0));
    let told = machine.apply(waits(1));
    assert!(
        matches!(&told[..], [Decision::Task { state: TaskState::Pending, cause, .. }] if *cause == Cause::FetchingImage("alpine:3".to_owned()))
    );
    let mut stopped = machine.clone();
    stopped.apply(Fact::Overdue(0, 1, Duration::from_secs(1)));
    assert!(stopped.apply(waits(1)).is_empty(), "it is to end");
    machine.apply(Fact::Started(0, 1));
    assert!(machine.apply(waits(1)).is_empty(), "it runs");
    assert!(machine.apply(waits(2)).is_empty(), "another attempt");
}
