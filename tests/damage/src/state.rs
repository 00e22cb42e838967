//! Single bits of the state flipped under the storage alone, in this process: many more than full starts would allow.
//!
//! Each bit is flipped in a copy of its own. The storage refuses to open, or every row that was there is read as it was or
//! is named as damaged. A row that is gone in silence, or is another one, is a violation; so is a panic.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gofer_storage::{KeyRange, Row, Storage};
use gofer_testkit::World;
use gofer_tests_e2e::crash::Dice;

use crate::blow::{Blow, Damage};
use crate::findings::Findings;
use crate::folder::{self, Item};
use crate::past::Past;
use crate::workers::{self, runtime};

/// What is counted.
pub const BITS: &str = "bits of the state that were flipped under the storage alone";
/// What is counted.
pub const ROWS: &str = "rows that were read as they were";
/// What is counted.
pub const SEEN: &str = "of these bits, seen: no opening, or a row named as damaged";

/// The file, below the data directory.
const FILE: &str = "data.redb";
/// The folder of the storage, below the data directory.
const FOLDER: &str = "redb";

/// Flips so many bits.
///
/// # Panics
/// If the past cannot be read.
pub fn flipped(past: &Past, count: u64, dice: &mut Dice) -> Findings {
    let rows = all_rows(past);
    let item = of(past);
    let bytes = std::fs::read(past.data.join(&item.path)).expect("the state can be read");
    let blows: Vec<Blow> = (0..count).map(|_| flip(&item, &bytes, dice)).collect();
    workers::each(&blows, ToString::to_string, |blow| one(past, blow, &rows))
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

fn one(past: &Past, blow: &Blow, rows: &[Row]) -> Findings {
    let mut found = Findings::default();
    found.count(BITS, 1);
    let world = World::new();
    let data = copied(past, &world);
    blow.strike(&data);
    let Ok(storage) = open(&data) else {
        found.count(SEEN, 1);
        return found;
    };
    let named = runtime().block_on(compared(&storage, rows, &mut found));
    found.count(SEEN, u64::from(named));
    found
}

/// Reads every row, by its key and in the order of all; whether something was named as damaged.
async fn compared(storage: &Arc<dyn Storage>, rows: &[Row], found: &mut Findings) -> bool {
    let (mut named, mut gone) = (0_u64, 0_u64);
    for row in rows {
        match storage.get(&row.key).await {
            Ok(Some(read)) if read == *row => found.count(ROWS, 1),
            Ok(_) => gone += 1,
            Err(_) => named += 1,
        }
    }
    found.must(gone == 0, || format!("{gone} of {} rows are gone or others, in silence", rows.len()));
    match storage.scan(KeyRange::prefix(b""), usize::MAX).await {
        Ok(read) => {
            found.must(read == rows || gone > 0, || {
                format!("{} of {} rows are listed, or others, in silence", read.len(), rows.len())
            });
            named > 0
        }
        Err(_) => true,
    }
}
