//! Each case of the suite catches the fault that was made for it, and no case is without one.

mod support;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gofer_scheduler::conformance::{Case, cases};
use gofer_scheduler::fake::Defect;
use libtest_mimic::{Arguments, Failed, Trial};
use support::FakeHarness;

fn main() -> ExitCode {
    let mut trials: Vec<Trial> = Defect::ALL
        .iter()
        .map(|(defect, case)| {
            Trial::test(format!("{defect:?}_is_caught_by_{case}"), move || caught(*defect, case))
        })
        .collect();
    trials.push(Trial::test("every_case_has_a_defect", every_case_has_a_defect));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn caught(defect: Defect, name: &str) -> Result<(), Failed> {
    let case: Case = cases().into_iter().find(|case| case.name == name).ok_or("there is no such case")?;
    let mut harness = FakeHarness::new(Some(defect), defect.needs_bare_backend());
    harness.patience = Duration::from_secs(1);
    match case.run(Arc::new(harness)) {
        Ok(()) => Err("the case passed in spite of the defect".into()),
        Err(_) => Ok(()),
    }
}

fn every_case_has_a_defect() -> Result<(), Failed> {
    let with: BTreeSet<&str> = Defect::ALL.iter().map(|(_, case)| *case).collect();
    let all: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
    if with == all { Ok(()) } else { Err(format!("{:?}", all.symmetric_difference(&with)).into()) }
}
