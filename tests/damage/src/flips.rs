//! Single bits flipped at random in a data directory of about two hundred runs, ended and unfinished.
//!
//! Each trial is a start of the built binary on a copy of its own, after which every run and every output is asked for. A
//! full start for each bit would take too long, so only the state has that: a bit of it may keep the server from
//! starting. Bits of other files are flipped several for each start, in files of different runs, since what is damaged there
//! may concern that run alone; that no more runs are named as damaged than bits were flipped is checked.
//!
//! As many bits again are flipped in the state under the storage alone, by [`crate::state`].
//!
//! A fifth of the bits are in the state, half of them in that of a server that was killed under load, which walks its whole
//! state when it starts, and half in that of one that was idle, which does not. In the state a bit may stand in a page that
//! many runs share; how often more than one run was named is counted and no violation. That nothing is told wrong is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gofer_tests_e2e::crash::Dice;

use crate::blow::{Blow, Damage};
use crate::findings::Findings;
use crate::folder::{self, Item};
use crate::judge::{NAMED, Patience, RIGHT, everything};
use crate::output::LINES;
use crate::past::{Past, Plan};
use crate::scenario::{Floors, Scenario, always};
use crate::state;
use crate::terms::Terms;
use crate::trial::{self, CAUGHT, REFUSED, SERVED};
use crate::workers;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "flips",
    about: "single bits are flipped anywhere, and a server is started on it and asked for everything",
    unavailable: always,
    floors,
    run,
};

const FLIPPED: &str = "bits that were flipped";
const OF_STATE: &str = "bits of the state that were flipped, each for a start";
const SHARED: &str = "bits of the state of which more than one run was named";

const FULL: u64 = 2_000;
/// One of so many bits is one of the state.
const SHARE_OF_STATE: u64 = 5;
/// So many bits of other files share a start.
const TOGETHER: usize = 16;

const STATE: &str = "data.redb";

fn floors(terms: &Terms) -> Floors {
    let bits = terms.scaled(FULL);
    let state = bits / SHARE_OF_STATE;
    let starts = state / 4 + (bits - state) / TOGETHER as u64;
    vec![
        (FLIPPED, bits),
        (OF_STATE, state),
        (SERVED, starts / 2),
        (REFUSED, bits / 200),
        (CAUGHT, 0),
        (RIGHT, starts),
        (NAMED, bits / 50),
        (LINES, starts),
        (SHARED, 0),
    ]
}

fn run(terms: Terms) -> Findings {
    let plan =
        Plan { ended: terms.scaled(150), running: terms.scaled(10), queued: terms.scaled(40), late: 0 };
    let idle = Past::made(plan);
    let loaded = Past::made(Plan { ended: terms.scaled(60), late: 12, ..plan });
    let mut dice = terms.dice(2);
    let bits = terms.scaled(FULL);
    let of_state = bits / SHARE_OF_STATE;
    let mut found = Findings::default();
    for (past, share) in [(&loaded, of_state.div_ceil(2)), (&idle, of_state / 2)] {
        let alone = alone(past, share, &mut dice);
        found.add(workers::each(&alone, |blows| blows[0].to_string(), |blows| one(past, blows, true)));
    }
    let together = together(&idle, bits - of_state, &mut dice);
    let name = |blows: &Vec<Blow>| blows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    found.add(workers::each(&together, name, |blows| one(&idle, blows, false)));
    found
}

fn one(past: &Past, blows: &[Blow], state: bool) -> Findings {
    let mut found = Findings::default();
    found.count(FLIPPED, blows.len() as u64);
    found.count(OF_STATE, u64::from(state));
    if let Some(server) = trial::begin(past, blows, "", &mut found) {
        found.add(everything(&server, past, Patience::None));
        trial::finish(server, &mut found);
    }
    let named = found.counted(NAMED);
    if state {
        found.count(SHARED, u64::from(named > 1));
    } else {
        found.must(named <= blows.len() as u64, || {
            format!("{} bits were flipped, and {named} runs were named", blows.len())
        });
    }
    found
}

/// Bits of the state, each by itself.
fn alone(past: &Past, count: u64, dice: &mut Dice) -> Vec<Vec<Blow>> {
    let item = state::of(past);
    let bytes = std::fs::read(past.data.join(&item.path)).expect("the state can be read");
    (0..count).map(|_| vec![state::flip(&item, &bytes, dice)]).collect()
}

/// Bits of other files, some for each start, in files of different folders.
fn together(past: &Past, count: u64, dice: &mut Dice) -> Vec<Vec<Blow>> {
    let items = folder::files(&past.data).expect("the past can be read");
    let items: Vec<Item> =
        items.into_iter().filter(|item| !item.path.ends_with(STATE) && item.len > 0).collect();
    let (mut groups, mut group, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
    for _ in 0..count {
        // A run that was hit is passed over: the next bit is one of the next file of another run.
        let first = usize::try_from(dice.below(items.len() as u64)).expect("a place in a list");
        let mut around = items.iter().cycle().skip(first).take(items.len());
        let item = around.find(|item| !taken.contains(&of_run(item))).expect("there are more runs");
        taken.insert(of_run(item));
        group.push(flip(item, dice));
        if group.len() == TOGETHER.min(items.len() / 8).max(1) {
            groups.push(std::mem::take(&mut group));
            taken.clear();
        }
    }
    groups.extend((!group.is_empty()).then_some(group));
    groups
}

/// The folder of the run that a file is of: that above the folder of a task, or of an attempt.
fn of_run(item: &Item) -> PathBuf {
    let above = |path: &PathBuf| path.parent().map(PathBuf::from).unwrap_or_default();
    let folder = above(&item.path);
    if folder.starts_with("logs") { above(&folder) } else { folder }
}

fn flip(item: &Item, dice: &mut Dice) -> Blow {
    let bit = u8::try_from(dice.below(8)).expect("a bit of a byte");
    Blow { path: item.path.clone(), damage: Damage::Flip(dice.below(item.len), bit) }
}
