//! Which runs are handed out, which hold the mark, and what is added up.

use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, RunRecord, RunState, Span, Timestamp};

use super::household::{Household, Walks};
use super::keep::{Bound, Keep};
use super::sum::Sum;
use super::walk::{Standing, Walk};

fn pipeline() -> PipelineRef {
    PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() }
}

/// A run that was begun, and maybe ended, at that second.
fn run(number: u64, ended: Option<u64>) -> Box<RunRecord> {
    let second = |second: u64| Timestamp::from_micros(i64::try_from(second).unwrap() * 1_000_000);
    Box::new(RunRecord {
        state: if ended.is_some() { RunState::Succeeded } else { RunState::Running },
        ended: ended.map(second),
        ..RunRecord::new(pipeline().run(RunNumber(number)), second(0))
    })
}

fn ended(number: u64) -> Standing {
    Standing::Ended(run(number, Some(number)))
}

fn open(number: u64) -> Standing {
    Standing::Open(Some(run(number, None)))
}

fn bound(runs: u32, newest: u64) -> Bound {
    Keep { runs, ..Keep::default() }.bound(newest, Timestamp::from_micros(100_000_000))
}

/// Goes on until a run is kept or all were seen; the numbers of the runs that are handed out.
fn go(walk: &mut Walk, (bound, newest): (&Bound, u64), standing: impl Fn(u64) -> Standing) -> Vec<u64> {
    let mut doomed = Vec::new();
    while walk.next() <= newest && walk.pass(standing(walk.next()), bound, &mut doomed) {}
    doomed.iter().map(|run| run.run.0).collect()
}

#[test]
fn a_run_under_way_holds_the_mark_and_nobody_behind_it() {
    let mut walk = Walk::from(1);
    let standing = |number| if number == 2 { open(number) } else { ended(number) };
    assert_eq!(go(&mut walk, (&bound(2, 6), 6), standing), [1, 3, 4]);
    assert_eq!((walk.mark(), walk.next(), walk.open().collect::<Vec<_>>()), (2, 5, vec![2]));
    assert_eq!(go(&mut walk, (&bound(2, 7), 7), standing), [5], "nobody is handed out twice");
    let mut doomed = Vec::new();
    assert!(!walk.look_again(2, open(2), (&bound(2, 6), &mut doomed)));
    assert_eq!((doomed.len(), walk.mark()), (0, 2));
    assert!(walk.look_again(2, ended(2), (&bound(2, 6), &mut doomed)));
    assert_eq!((doomed.len(), walk.mark()), (1, 6));
}

#[test]
fn a_run_that_was_set_aside_is_left_alone_and_holds_nothing() {
    let mut walk = Walk::from(1);
    let standing = |number| if number == 1 { Standing::Nothing } else { ended(number) };
    assert_eq!(go(&mut walk, (&bound(1, 3), 3), standing), [2]);
    assert_eq!(walk.mark(), 3);
}

#[test]
fn a_run_without_a_record_yet_is_not_passed() {
    let mut walk = Walk::from(1);
    let standing = |number| if number == 2 { Standing::Open(None) } else { ended(number) };
    assert_eq!(go(&mut walk, (&bound(1, 4), 4), standing), [1]);
    assert_eq!((walk.mark(), walk.next()), (2, 2));
}

#[test]
fn age_goes_beyond_the_number_and_so_does_a_floor() {
    let keep = Keep { age: Some(Span::from_secs(95)), ..Keep::default() };
    let by_age = keep.bound(9, Timestamp::from_micros(100_000_000));
    assert_eq!(go(&mut Walk::from(1), (&by_age, 9), ended), [1, 2, 3, 4]);
    assert_eq!(go(&mut Walk::from(1), (&by_age.not_below(7), 9), ended), [1, 2, 3, 4, 5, 6]);
    assert!(go(&mut Walk::from(1), (&bound(0, 9), 9), ended).is_empty());
}

/// A run that waited for longer than things are kept is kept for that long from its end on.
#[test]
fn the_age_of_a_run_that_took_long_counts_from_its_end() {
    let at = |seconds: i64| {
        let keep = Keep { age: Some(Span::from_secs(10)), ..Keep::default() };
        keep.bound(3, Timestamp::from_micros(seconds * 1_000_000))
    };
    let (mut walk, mut doomed) = (Walk::from(1), Vec::new());
    assert!(walk.pass(open(1), &at(50), &mut doomed), "it holds up nobody");
    assert!(walk.pass(ended(2), &at(50), &mut doomed));
    assert_eq!(doomed.len(), 1);
    let ended_late = || Standing::Ended(run(1, Some(45)));
    assert!(!walk.look_again(1, ended_late(), (&at(50), &mut doomed)));
    assert_eq!((doomed.len(), walk.mark()), (1, 1), "it is kept, and keeps the mark");
    assert!(walk.look_again(1, ended_late(), (&at(56), &mut doomed)));
    assert_eq!((doomed.len(), walk.mark()), (2, 3));
}

#[test]
fn a_sum_counts_what_grows_once_and_forgets_what_is_left_out() {
    let mut sum = Sum::from(4);
    sum.add(10, false);
    sum.add(1, true);
    sum.add(2, true);
    sum.add(20, false);
    assert!(sum.is_beyond(32) && !sum.is_beyond(33));
    assert_eq!(sum.open().collect::<Vec<_>>(), [6, 5]);
    sum.measured(5, 5, true);
    sum.measured(6, 7, false);
    assert!(sum.is_beyond(41) && !sum.is_beyond(42));
    sum.leave_out(10);
    // it has grown since it was added
    sum.leave_out(500);
    assert_eq!((sum.first(), sum.open().count()), (6, 0));
    assert!(sum.is_beyond(26) && !sum.is_beyond(27));
    sum.leave_out(7);
    sum.leave_out(20);
    assert!(!sum.is_beyond(0));
    sum.leave_out(99);
    assert_eq!((sum.first(), sum.next()), (9, 9), "one that was never added");
}

#[test]
fn a_sum_that_was_forgotten_meanwhile_is_not_taken_back() {
    let household = Household::default();
    assert_eq!(household.take_sum(&pipeline()), None);
    household.give_back(&pipeline(), Sum::from(7));
    assert_eq!(household.take_sum(&pipeline()), Some(Sum::from(7)));
    household.forget_sum(&pipeline());
    household.give_back(&pipeline(), Sum::from(7));
    assert_eq!(household.take_sum(&pipeline()), None);
}

#[test]
fn only_what_the_marks_do_not_say_is_remembered() {
    let household = Household::default();
    let walks = |logs: Walk| Walks { runs: Walk::from(3), logs };
    let mut held = Walk::from(1);
    go(&mut held, (&bound(1, 3), 3), |number| if number == 1 { open(1) } else { ended(number) });
    household.keep_walks(&pipeline(), walks(held.clone()));
    assert_eq!(household.walks(&pipeline()).map(|walks| walks.logs), Some(held));
    household.keep_walks(&pipeline(), walks(Walk::from(9)));
    assert!(household.walks(&pipeline()).is_none());
}
