//! Rules about `ARCHITECTURE.md`: it names every crate and every arrow, and nothing that is not there.

use std::collections::BTreeSet;

use super::Violations;
use crate::house::{ArrowKind, House, Room, Row};

/// Every crate has a row, and every row a crate.
#[must_use]
pub fn rooms_are_named(house: &House) -> Violations {
    let named: BTreeSet<&str> = house.document.rows.iter().map(|row| row.dir.as_str()).collect();
    let there: BTreeSet<&str> = house.rooms.iter().map(|room| room.dir.as_str()).collect();
    let missing = there.difference(&named).map(|dir| format!("ARCHITECTURE.md has no row for `{dir}`"));
    let gone = named
        .difference(&there)
        .map(|dir| format!("ARCHITECTURE.md has a row for `{dir}`, which is not there"));
    missing.chain(gone).collect()
}

/// The arrows of every row are those of its crate: no more, no fewer. Arrows of tests alone are not written.
#[must_use]
pub fn arrows_are_written(house: &House) -> Violations {
    let row = |room: &Room| house.document.rows.iter().find(|row| row.dir == room.dir);
    house.rooms.iter().filter_map(|room| difference(room, row(room)?)).collect()
}

fn difference(room: &Room, row: &Row) -> Option<String> {
    let arrows: BTreeSet<String> =
        room.ours(&[ArrowKind::Normal, ArrowKind::Build]).map(str::to_owned).collect();
    if arrows == row.arrows {
        return None;
    }
    let list: Vec<String> = arrows.iter().map(|to| format!("`{to}`")).collect();
    let (new, old): (Vec<_>, Vec<_>) =
        (arrows.difference(&row.arrows).collect(), row.arrows.difference(&arrows).collect());
    Some(format!(
        "the row of `{}` differs from its manifest (not written: {new:?}, not there: {old:?}); if the arrow is meant, \
         its last cell is: {}",
        room.dir,
        list.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{arrow, house, room};
    use super::*;

    fn written(dir: &str, arrows: &[&str]) -> Row {
        Row { dir: dir.to_owned(), arrows: arrows.iter().map(|to| (*to).to_owned()).collect() }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_caught() {
        let mut house = house(vec![room("gofer-new", &[])]);
        house.document.rows = vec![written("crates/old", &[])];
        assert_eq!(rooms_are_named(&house).len(), 2);
    }

    #[test]
    fn an_arrow_that_is_not_written_and_one_that_is_gone_are_caught() {
        let mut a = room("gofer-a", &["gofer-b", "serde"]);
        a.arrows.push(arrow("gofer-testkit", ArrowKind::Dev));
        let mut house = house(vec![a]);
        for (arrows, caught) in [(&["b"][..], 0), (&[][..], 1), (&["b", "c"][..], 1)] {
            house.document.rows = vec![written("crates/a", arrows)];
            assert_eq!(arrows_are_written(&house).len(), caught, "{arrows:?}");
        }
    }
}
