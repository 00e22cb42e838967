//! Single bits of the state flipped under the storage alone, in this process: many more than full starts would allow.
//!
//! Each bit is flipped in a copy of its own. The storage refuses to open, or every row that was there is read as it was or
//! is named as damaged. A row that is gone in silence, or is another one, is a violation; so is a panic.
//!
//! The state of a server that was killed under load may have lost its newest group as a whole (ADR 0002): all rows of that
//! revision and newer, and nothing else. That is counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gofer_storage::{KeyRange, Revision, Row, Storage};
use gofer_testkit::World;
use gofer_tests_e2e::crash::Dice;

use crate::blow::{Blow, Damage};
use crate::findings::Findings;
use crate::folder::{self, Item};
use crate::past::{Past, Plan};
use crate::scenario::{Floors, Scenario, always};
use crate::terms::Terms;
use crate::workers::{self, runtime};

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "state",
    about: "single bits of the state are flipped, and the storage is opened on it and read",
    unavailable: always,
    floors,
    run,
};

const BITS: &str = "bits of the state that were flipped";
const SEEN: &str = "bits that were seen: no opening, or a row named as damaged";
const DROPPED: &str = "bits for which a newest group was dropped as a whole";
const ROWS: &str = "rows that were read as they were";

const FULL: u64 = 2_000;

/// The file, below the data directory.
const FILE: &str = "data.redb";
/// The folder of the storage, below the data directory.
const FOLDER: &str = "redb";

fn floors(terms: &Terms) -> Floors {
    let bits = terms.scaled(FULL / 2) * 2;
    vec![(BITS, bits), (SEEN, bits / 10), (ROWS, bits), (DROPPED, 0)]
}

fn run(terms: Terms) -> Findings {
    let plan = Plan { ended: 12, running: 2, queued: 4, late: 0 };
    let mut dice = terms.dice(8);
    let mut found = Findings::default();
    for plan in [plan, Plan { late: 12, ..plan }] {
        found.add(flipped(&Past::made(plan), plan.late > 0, terms.scaled(FULL / 2), &mut dice));
    }
    found
}

/// Flips so many bits.
fn flipped(past: &Past, loaded: bool, count: u64, dice: &mut Dice) -> Findings {
    let rows = all_rows(past);
    let item = of(past);
    let bytes = std::fs::read(past.data.join(&item.path)).expect("the state can be read");
    let blows: Vec<Blow> = (0..count).map(|_| flip(&item, &bytes, dice)).collect();
    let mut found = workers::each(&blows, ToString::to_string, |blow| one(past, blow, (&rows, loaded)));
    // Counted here: what is found of a blow that ends in a panic is the panic alone.
    found.count(BITS, count);
    found
}

/// The file of the state.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn of(past: &Past) -> Item {
    let items = folder::files(&past.data).expect("the past can be read");
    items.into_iter().find(|item| item.path.ends_with(FILE)).expect("there is a state")
}

/// A bit of a byte that says something: most of the file is room for what is to come, and zero.
pub fn flip(item: &Item, bytes: &[u8], dice: &mut Dice) -> Blow {
    const AROUND: usize = 8;
    const TRIES: usize = 200;
    let mut at = 0;
    for _ in 0..TRIES {
        at = dice.below(item.len);
        let place = usize::try_from(at).expect("a place in memory");
        let around = &bytes[place.saturating_sub(AROUND)..bytes.len().min(place + AROUND)];
        if around.iter().any(|byte| *byte != 0) {
            break;
        }
    }
    let bit = u8::try_from(dice.below(8)).expect("a bit of a byte");
    Blow { path: item.path.clone(), damage: Damage::Flip(at, bit) }
}

fn open(data: &Path) -> Result<Arc<dyn Storage>, String> {
    let opened = gofer_storage_redb::open("redb", &gofer_storage_redb::Config::default(), data);
    opened.map_err(|error| error.chain())
}

fn copied(past: &Past, world: &World) -> PathBuf {
    let data = world.join("data");
    folder::copy(&past.data.join(FOLDER), &data.join(FOLDER)).expect("the state can be copied");
    data
}

fn all_rows(past: &Past) -> Vec<Row> {
    let world = World::new();
    let storage = open(&copied(past, &world)).expect("the storage opens");
    runtime().block_on(storage.scan(KeyRange::prefix(b""), usize::MAX)).expect("every row is read")
}

fn one(past: &Past, blow: &Blow, (rows, loaded): (&[Row], bool)) -> Findings {
    let mut found = Findings::default();
    let world = World::new();
    let data = copied(past, &world);
    blow.strike(&data);
    let Ok(storage) = open(&data) else {
        found.count(SEEN, 1);
        return found;
    };
    let named = runtime().block_on(compared(&storage, (rows, loaded), &mut found));
    found.count(SEEN, u64::from(named));
    found
}

/// Reads every row, by its key and in the order of all; whether something was named as damaged.
async fn compared(storage: &Arc<dyn Storage>, (rows, loaded): (&[Row], bool), found: &mut Findings) -> bool {
    let (mut named, mut others) = (0_u64, Vec::new());
    for row in rows {
        match storage.get(&row.key).await {
            Ok(Some(read)) if read == *row => found.count(ROWS, 1),
            Ok(read) => others.push((row.revision, read.map(|read| read.revision))),
            Err(_) => named += 1,
        }
    }
    if loaded && is_group(rows, &others) {
        found.count(DROPPED, 1);
        return named > 0;
    }
    let count = others.len();
    found.must(count == 0, || format!("{count} of {} rows are gone or others, in silence", rows.len()));
    match storage.scan(KeyRange::prefix(b""), usize::MAX).await {
        Ok(read) => {
            found.must(read == rows || count > 0, || {
                format!("{} of {} rows are listed, or others, in silence", read.len(), rows.len())
            });
            named > 0
        }
        Err(_) => true,
    }
}

/// Whether these are all rows of some revision and newer, each as it was before.
fn is_group(rows: &[Row], others: &[(Revision, Option<Revision>)]) -> bool {
    let Some(oldest) = others.iter().map(|(revision, _)| *revision).min() else { return false };
    let whole = rows.iter().filter(|row| row.revision >= oldest).count() == others.len();
    whole && others.iter().all(|(_, read)| read.is_none_or(|read| read < oldest))
}
