//! The end of every file of a data directory is cut off or garbled, one blow for each start.
//!
//! Two pasts: one of a server that was killed under load, one of a server that was idle. The files and what is due of each,
//! as the crates that write them say:
//!
//! | file | what a damaged end may cost |
//! |---|---|
//! | `storage/data.redb` | the start, by name; under load the newest group (ADR 0002); single runs, by name |
//! | `storage/FORMAT`, `storage/LOCK`, those of the object store | the start, by name; the lock file tells nothing |
//! | `owner` | the start, by name: with another mark a server would not know what it has started |
//! | `logs/../*.log` | of an ended run: that output, by name; of one under way: what was not synced |
//! | `logs/../*.index` | nothing: it is made again from its segment |
//! | `logs/../sealed` | that output, by name |
//! | `objects/../*.o` | that object, by name |
//! | `attempts/../spec`, `shim`, `exit`, `log` | that attempt: its run ends as it would have, or is `errored` |

use std::collections::BTreeMap;

use gofer_tests_e2e::crash::Dice;

use crate::blow::{Blow, Damage};
use crate::findings::Findings;
use crate::folder::{self, Item};
use crate::judge::{NAMED, Patience, RIGHT, everything};
use crate::output::LINES;
use crate::past::{Past, Plan};
use crate::scenario::{Floors, Scenario, always};
use crate::terms::Terms;
use crate::trial::{self, REFUSED, SERVED};
use crate::workers;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "tails",
    about: "the end of every file is cut off or garbled, and a server is started on it",
    unavailable: always,
    floors,
    run,
};

const BLOWS: &str = "ends of files that were cut off or garbled";
const KINDS: &str = "kinds of files";

/// How many blows there are.
const FULL: u64 = 400;

/// The files of that kind take this share of the blows: all that is acknowledged is in it.
const STATE: &str = "data.redb";
const SHARE_OF_STATE: u64 = 4;

fn floors(terms: &Terms) -> Floors {
    let blows = terms.scaled(FULL);
    vec![
        (BLOWS, blows),
        (KINDS, 10.min(blows)),
        (SERVED, blows / 4),
        (REFUSED, blows / 40),
        (RIGHT, blows),
        (NAMED, 0),
        (LINES, blows),
    ]
}

fn run(terms: Terms) -> Findings {
    let small = Plan { ended: 10, running: 2, queued: 2, late: 0 };
    let pasts = [Past::made(Plan { late: 12, ..small }), Past::made(small)];
    let mut dice = terms.dice(1);
    let blows = terms.scaled(FULL);
    let mut found = Findings::default();
    for (past, share) in pasts.iter().zip([blows.div_ceil(2), blows / 2]) {
        let chosen = chosen(past, share, &mut dice);
        let name = |blow: &Blow| blow.to_string();
        found.add(workers::each(&chosen, name, |blow| one(past, blow)));
        found.count(BLOWS, chosen.len() as u64);
    }
    let items = pasts.iter().flat_map(|past| folder::files(&past.data).unwrap_or_default());
    let kinds = items.map(|item| (kind(&item), ())).collect::<BTreeMap<_, _>>();
    found.count(KINDS, kinds.len() as u64);
    found
}

fn one(past: &Past, blow: &Blow) -> Findings {
    let mut found = Findings::default();
    if let Some(server) = trial::begin(past, std::slice::from_ref(blow), "", &mut found) {
        found.add(everything(&server, past, Patience::ToTheEnd));
        trial::finish(server, &mut found);
    }
    found
}

/// Files of one kind are damaged alike: their name without numbers, or its ending.
fn kind(item: &Item) -> String {
    let name = item.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = item.path.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
    let word = name.rsplit_once('.').map_or(name, |(stem, ending)| {
        if stem.chars().all(|letter| letter.is_ascii_digit()) || ending == "o" { ending } else { name }
    });
    format!("{folder}/{word}")
}

/// So many blows: a share to the state, and the rest to each kind of file in turn.
fn chosen(past: &Past, count: u64, dice: &mut Dice) -> Vec<Blow> {
    let mut kinds: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in folder::files(&past.data).expect("the past can be read") {
        kinds.entry(kind(&item)).or_default().push(item);
    }
    let is_state = |name: &str| name.ends_with(STATE);
    let of_state: Vec<&Vec<Item>> =
        kinds.iter().filter(|(name, _)| is_state(name)).map(|(_, items)| items).collect();
    let others: Vec<&Vec<Item>> =
        kinds.iter().filter(|(name, _)| !is_state(name)).map(|(_, items)| items).collect();
    let mut blows = Vec::new();
    let mut rounds: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..count {
        let place = usize::try_from(number).unwrap_or_default();
        let of = if number % SHARE_OF_STATE == 0 { &of_state } else { &others };
        let items = of[(place - place / 4) % of.len()];
        let item = &items[usize::try_from(dice.below(items.len() as u64)).unwrap_or_default()];
        let round = rounds.entry(kind(item)).or_default();
        blows.push(Blow { path: item.path.clone(), damage: damage(item.len, *round, dice) });
        *round += 1;
    }
    blows
}

/// The ways in which an end is damaged, one after the other.
fn damage(len: u64, round: u64, dice: &mut Dice) -> Damage {
    let cut = |less: u64| Damage::Cut(len.saturating_sub(less));
    match round % 13 {
        0 => cut(1),
        1 => Damage::Garble(1, dice.below(u64::MAX)),
        2 => Damage::Cut(0),
        3 => cut(1 + dice.below(len.max(1))),
        4 => Damage::Garble(16, dice.below(u64::MAX)),
        5 => cut(4096),
        6 => Damage::Garble(512, dice.below(u64::MAX)),
        7 => Damage::Cut(len / 2),
        8 => cut(7),
        9 => Damage::Garble(4096, dice.below(u64::MAX)),
        10 => cut(64),
        11 => Damage::Garble(len.max(1), dice.below(u64::MAX)),
        _ => cut(1 + dice.below(512)),
    }
}
