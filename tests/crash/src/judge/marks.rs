//! What the tasks wrote to the witness.

use std::collections::{BTreeMap, BTreeSet};

use gofer_tests_e2e::Mark;

use crate::tally::Tally;

/// Which word was told of which run by which task.
type Told<'a> = (&'a str, u64, &'a str);

/// Each task of each run began once and ended once, in its first attempt and one process, and after the end of the first task
/// where it is not that; no other task ran.
pub fn once_each(marks: &[Mark], runs: &BTreeSet<u64>, tasks: &[&str], tally: &Tally) {
    let mut seen: BTreeMap<Told<'_>, Vec<(usize, u32)>> = BTreeMap::new();
    for (place, mark) in marks.iter().enumerate() {
        tally.check(mark.attempt == 1, || format!("a further attempt: {mark:?}"));
        seen.entry((&mark.word, mark.run, &mark.task)).or_default().push((place, mark.pid));
    }
    for number in runs {
        let mut first_end = None;
        for task in tasks {
            let mut of = |word| seen.remove(&(word, *number, *task)).unwrap_or_default();
            let (starts, ends) = (of("start"), of("end"));
            let [(start, born)] = starts[..] else {
                tally.violated(format!("{} starts of run {number}, task {task}", starts.len()));
                continue;
            };
            let [(end, died)] = ends[..] else {
                tally.violated(format!("{} ends of run {number}, task {task}", ends.len()));
                continue;
            };
            tally.check(born == died && start < end, || format!("run {number}, task {task}: two processes"));
            let after = *first_end.get_or_insert(start);
            tally
                .check(after <= start, || format!("run {number}, task {task} began before its parent ended"));
            if after == start {
                first_end = Some(end);
            }
        }
    }
    tally.check(seen.is_empty(), || format!("nobody asked for these: {:?}", seen.keys().collect::<Vec<_>>()));
}

/// No attempt of any task began twice.
pub fn never_twice(marks: &[Mark], tally: &Tally) {
    let mut seen = BTreeSet::new();
    for mark in marks.iter().filter(|mark| mark.word == "start") {
        let new = seen.insert((mark.run, &mark.task, mark.attempt));
        tally.check(new, || format!("started twice: {mark:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(word: &str, task: &str, pid: u32) -> Mark {
        Mark { word: word.to_owned(), run: 1, task: task.to_owned(), attempt: 1, pid }
    }

    fn violations(marks: &[Mark]) -> Vec<String> {
        let tally = Tally::default();
        once_each(marks, &BTreeSet::from([1]), &["a", "b"], &tally);
        never_twice(marks, &tally);
        tally.words()
    }

    fn good() -> Vec<Mark> {
        vec![mark("start", "a", 1), mark("end", "a", 1), mark("start", "b", 2), mark("end", "b", 2)]
    }

    #[test]
    fn a_good_history_has_no_violation() {
        assert!(violations(&good()).is_empty());
    }

    #[test]
    fn each_bad_history_is_caught() {
        let mut doubled = good();
        doubled.extend([mark("start", "b", 3), mark("end", "b", 3)]);
        assert!(violations(&doubled).contains(&"2 starts of run 1, task b".to_owned()));
        let mut missing = good();
        missing.pop();
        assert_eq!(violations(&missing), ["0 ends of run 1, task b"]);
        let mut early = good();
        early.swap(1, 2);
        assert_eq!(violations(&early), ["run 1, task b began before its parent ended"]);
        let mut other = good();
        other[3].pid = 9;
        assert_eq!(violations(&other), ["run 1, task b: two processes"]);
        let mut again = good();
        again[2].attempt = 2;
        assert_eq!(violations(&again).len(), 1);
        let mut foreign = good();
        foreign.push(Mark { run: 2, ..mark("start", "a", 4) });
        assert!(violations(&foreign)[0].contains("nobody asked for these"));
    }
}
