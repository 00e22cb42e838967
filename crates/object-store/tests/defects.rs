//! The suite is itself tested: every defect of the fake is caught by the case that promises the opposite, every case catches some
//! defect, and without a defect every case passes on virtual time, too.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::FakeHarness;
use gofer_object_store::conformance::{Case, Outcome, cases};
use gofer_object_store::fake::Defect;

fn run(case: &Case, defect: Option<Defect>) -> Outcome<Option<&'static str>> {
    // virtual time: a wait for what never comes ends as soon as nothing else can happen
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(case.run(Arc::new(FakeHarness::with(defect))))
}

/// The cases that the fake can have.
fn possible() -> Vec<Case> {
    cases().into_iter().filter(|case| case.ignored(&FakeHarness::with(None)).is_none()).collect()
}

#[test]
fn every_defect_is_caught_by_its_case() {
    let mut through = Vec::new();
    for (defect, name) in Defect::ALL {
        let case = possible().into_iter().find(|case| case.name() == *name);
        let case = case.unwrap_or_else(|| panic!("there is no case {name:?}"));
        if run(&case, Some(*defect)).is_ok() {
            through.push((defect, name));
        }
    }
    assert!(through.is_empty(), "these go through their cases: {through:#?}");
}

#[test]
fn every_case_has_a_defect() {
    let proven: BTreeSet<&str> = Defect::ALL.iter().map(|(_, name)| *name).collect();
    let promised: BTreeSet<&str> = possible().iter().map(Case::name).collect();
    assert_eq!(proven, promised);
}

#[test]
fn without_a_defect_every_case_passes_on_virtual_time() {
    for case in possible() {
        assert!(matches!(run(&case, None), Ok(None)), "{:?}: {:?}", case, run(&case, None));
    }
}

#[test]
fn the_names_of_cases_are_all_different() {
    let names: BTreeSet<&str> = cases().iter().map(Case::name).collect();
    assert_eq!(names.len(), cases().len());
}
