//! The suite is itself tested: every defect of the fake is caught by the case that promises the opposite, every case catches some
//! defect, and without a defect every case passes on virtual time, too.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::FakeHarness;
use gofer_storage::conformance::{Case, Outcome, cases};
use gofer_storage::fake::Defect;

/// Each defect, and a case that sees it.
const CAUGHT: &[(Defect, &str)] = &[
    (Defect::InventsRows, "an absent key has no row"),
    (
        Defect::RowsHaveNoRevision,
        "a row that was put is read back with its value and the revision of its commit",
    ),
    (Defect::PutKeepsOldRow, "a put replaces the row and its revision"),
    (Defect::DeleteDoesNothing, "a deleted row is gone, and deleting what is not there is no error"),
    (Defect::RevisionsRepeat, "a row that is created anew has a newer revision"),
    (Defect::EmptyValueIsNoRow, "keys and values are any bytes, and an empty value is a row"),
    (Defect::ScanOrdersByLength, "a scan returns rows in the byte order of their keys"),
    (Defect::RangeIncludesItsEnd, "a scan of a prefix returns every key of the prefix and no other"),
    (Defect::RangeIncludesItsEnd, "a scan keeps to its bounds, included or excluded"),
    (Defect::ReverseIsIgnored, "a reversed scan returns the last rows in descending order"),
    (Defect::ExcludedStartIsIncluded, "a scan continued after a key starts behind it, in both directions"),
    (Defect::LimitIsIgnored, "a scan returns no more rows than its limit, and all if there are fewer"),
    (Defect::ZeroLimitIsAccepted, "a scan with limit 0 is refused"),
    (Defect::InvertedRangeIsRefused, "a range that can hold no key is empty, not an error"),
    (Defect::DeleteDoesNothing, "a scan does not return deleted rows"),
    (Defect::ExcludedStartIsIncluded, "a long scan returns every row once"),
    (Defect::ScanMixesInstants, "the rows of one scan are of one instant, while others write"),
    (Defect::BatchHasManyRevisions, "a batch writes all of its rows with one revision"),
    (Defect::DeleteDoesNothing, "a batch may put and delete together"),
    (Defect::FailedCheckWritesAnyway, "a batch with a failed check writes nothing"),
    (Defect::ConflictHidesTheKey, "a conflict names the key whose check failed"),
    (Defect::AbsentIsIgnored, "a check of absence fails for a row that is there"),
    (Defect::AtIsIgnored, "a check of a revision fails for any other revision"),
    (Defect::AtHoldsForAbsentRows, "a check of a revision fails for a row that is not there"),
    (Defect::DeletedRowsAreNotAbsent, "a deleted row is absent to checks"),
    (Defect::ChecksSeeOwnWrites, "checks see the state before the batch, not its own writes"),
    (Defect::AtIsIgnored, "checks may be on keys that the batch does not write"),
    (Defect::EmptyBatchIsACommit, "an empty batch writes nothing and answers the newest revision"),
    (Defect::ChecksAloneAreSkipped, "a batch of checks alone tells whether they hold"),
    (Defect::RevisionsRepeat, "revisions grow with every commit"),
    (Defect::LongKeyIsAccepted, "a key at the limit is accepted, and one byte more is refused"),
    (Defect::LargestKeyIsRefused, "a key at the limit is accepted, and one byte more is refused"),
    (Defect::LargeValueIsAccepted, "a value at the limit is accepted, and one byte more is refused"),
    (Defect::LargestValueIsRefused, "a value at the limit is accepted, and one byte more is refused"),
    (Defect::LargeBatchIsAccepted, "a batch at the limit is accepted, and one byte more is refused"),
    (Defect::EmptyKeyIsAccepted, "an empty key is refused, in writes and in checks"),
    (Defect::DoubleKeyIsAccepted, "one key written twice in a batch is refused"),
    (Defect::ChecksRace, "of many concurrent creations of one row exactly one wins"),
    (Defect::ChecksRace, "concurrent increments by compare and set lose no step"),
    (Defect::ConcurrentCommitsAreLost, "many concurrent commits all land, each with a revision of its own"),
    (Defect::ConcurrentCommitsAreLost, "concurrent batches that touch the same rows never mix"),
    (Defect::ReadersLagBehind, "a reader sees a commit that was acknowledged"),
    (Defect::DroppedCommitIsTorn, "a commit whose future is dropped takes effect whole or not at all"),
    (Defect::CloseForgets, "acknowledged rows and deletes survive closing and reopening"),
    (Defect::AnswersBeforeTheSync, "acknowledged rows and deletes survive a crash"),
    (Defect::CrashTearsBatches, "after a crash a batch is there whole or not at all"),
    (Defect::RevisionsRestart, "revisions go on growing after reopening"),
    (Defect::OpeningLeavesARow, "an empty storage can be closed and reopened"),
    (
        Defect::SecondOpenerIsAdmitted,
        "a second opener is refused with a conflict that names the place, and the first works on",
    ),
    (
        Defect::ConflictHidesThePlace,
        "a second opener is refused with a conflict that names the place, and the first works on",
    ),
    (Defect::WatchIsSilent, "a watch tells of every commit to its prefix"),
    (Defect::WatchIgnoresItsPrefix, "a watch does not tell of other prefixes"),
    (Defect::WatchIsSilent, "a watch of everything tells of every key"),
    (Defect::WatchMissesDeletes, "a watch tells of deletes"),
    (Defect::WatchTellsThePast, "a watch does not tell of commits before it"),
    (Defect::WatchTellsConflicts, "a watch does not tell of refused commits"),
    (Defect::WatchMissesTheNewest, "signals may merge, and the newest is never missed"),
    (Defect::WatchIsEarly, "what a watch tells of can be read"),
    (Defect::WatchIsSilent, "every watch of a prefix is told"),
    (Defect::WatchOutlivesClose, "a watch ends when the storage is closed, after its last signal"),
    (Defect::WatchOutlivesClose, "a watch of a closed storage ends at once"),
    (Defect::InfoIsEmpty, "a storage says what it is and can do"),
    (Defect::CheckLeavesARow, "a healthy storage passes its check, which leaves no trace"),
    (Defect::CheckFails, "a healthy storage passes its check, which leaves no trace"),
    (Defect::ClosedStillReads, "reads after closing are refused as unavailable"),
    (Defect::ClosedStillCommits, "commits and checks after closing are refused as unavailable"),
    (Defect::SecondCloseFails, "closing twice is no error"),
    (Defect::CloseDropsTheAccepted, "closing finishes the commits that were accepted"),
    (
        Defect::FullDiskIsInternal,
        "a full disk refuses commits as exhausted and whole, and room makes them work again",
    ),
    (
        Defect::FullDiskTearsBatches,
        "a full disk refuses commits as exhausted and whole, and room makes them work again",
    ),
    (
        Defect::FullDiskIsForGood,
        "a full disk refuses commits as exhausted and whole, and room makes them work again",
    ),
];

fn run(case: &Case, defect: Defect) -> Outcome<Option<&'static str>> {
    // virtual time: a wait for what never comes ends as soon as nothing else can happen
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(case.run(Arc::new(FakeHarness::with(defect))))
}

/// The cases that the fake can have.
fn possible() -> Vec<Case> {
    cases().into_iter().filter(|case| case.ignored(&FakeHarness::with(Defect::None)).is_none()).collect()
}

#[test]
fn every_defect_is_caught_by_its_case() {
    for (defect, name) in CAUGHT {
        let case = possible().into_iter().find(|case| case.name() == *name);
        let case = case.unwrap_or_else(|| panic!("there is no case {name:?}"));
        assert!(run(&case, *defect).is_err(), "{defect:?} goes through {name:?}");
    }
}

#[test]
fn every_defect_has_a_case_and_every_case_a_defect() {
    let caught: BTreeSet<String> = CAUGHT.iter().map(|(defect, _)| format!("{defect:?}")).collect();
    let defects: BTreeSet<String> = Defect::ALL.iter().map(|defect| format!("{defect:?}")).collect();
    assert_eq!(caught, defects);
    let proven: BTreeSet<&str> = CAUGHT.iter().map(|(_, name)| *name).collect();
    let promised: BTreeSet<&str> = possible().iter().map(Case::name).collect();
    assert_eq!(proven, promised);
}

#[test]
fn without_a_defect_every_case_passes_on_virtual_time() {
    for case in possible() {
        assert!(matches!(run(&case, Defect::None), Ok(None)), "{:?}: {:?}", case, run(&case, Defect::None));
    }
}

#[test]
fn the_names_of_cases_are_all_different() {
    let names: BTreeSet<&str> = cases().iter().map(Case::name).collect();
    assert_eq!(names.len(), cases().len());
}
