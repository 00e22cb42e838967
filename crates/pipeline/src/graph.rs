//! The cycles in a graph of tasks.
//!
//! Tasks are numbered by their position in the pipeline. Nothing recurses and everything is linear in tasks and
//! dependencies.

/// What is known of a task while cycles are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the path that is being followed, at this place of it.
    On(usize),
    Done,
}

/// Cycles, none sharing a task with another: each member depends on the next and the last on the first. Empty exactly
/// if there is no cycle.
#[must_use]
pub(crate) fn cycles(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut marks = vec![Mark::New; parents.len()];
    let mut taken = vec![false; parents.len()];
    let mut cycles = Vec::new();
    for start in 0..parents.len() {
        // the path, with the number of parents of each member that were followed
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::On(0);
            path.push((start, 0));
        }
        while let Some((task, followed)) = path.last_mut() {
            let task = *task;
            let next = parents[task].get(*followed).copied();
            *followed += 1;
            match next.map(|parent| (parent, marks.get(parent))) {
                None => {
                    marks[task] = Mark::Done;
                    path.pop();
                }
                Some((parent, Some(Mark::New))) => {
                    marks[parent] = Mark::On(path.len());
                    path.push((parent, 0));
                }
                Some((_, Some(Mark::On(place)))) => note_cycle(&path[*place..], &mut taken, &mut cycles),
                Some(_) => {}
            }
        }
    }
    cycles
}

fn note_cycle(path: &[(usize, usize)], taken: &mut [bool], cycles: &mut Vec<Vec<usize>>) {
    // the ends are looked at first, so that overlapping cycles cost little
    let ends = path.first().into_iter().chain(path.last());
    if ends.chain(path).any(|(task, _)| taken[*task]) {
        return;
    }
    let members: Vec<usize> = path.iter().map(|(task, _)| *task).collect();
    for member in &members {
        taken[*member] = true;
    }
    cycles.push(members);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_order_has_no_cycle() {
        assert_eq!(cycles(&[vec![1], vec![2], vec![]]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn separate_cycles_are_all_found() {
        assert_eq!(
            cycles(&[vec![1], vec![0], vec![3], vec![2], vec![4]]),
            vec![vec![0, 1], vec![2, 3], vec![4]]
        );
    }

    #[test]
    fn a_long_chain_does_not_recurse() {
        let chain: Vec<Vec<usize>> =
            (0..10_000_usize).map(|n| n.checked_sub(1).into_iter().collect()).collect();
        assert!(cycles(&chain).is_empty());
        let mut ring = chain;
        ring[0].push(9_999);
        assert_eq!(cycles(&ring).iter().map(Vec::len).collect::<Vec<_>>(), [10_000]);
    }
}
