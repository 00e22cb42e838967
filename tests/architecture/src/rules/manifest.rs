//! Rules about manifests.

use super::Violations;
use crate::house::House;

/// The one crate with lints of its own: it takes the place of a function of the C library (ADR 0025).
const OWN_LINTS: &str = "gofer-tests-chance";

/// Every version, edition and lint comes from the workspace.
#[must_use]
pub fn manifests_inherit(house: &House) -> Violations {
    let of = |room: &crate::house::Room| {
        let name = room.name.clone();
        let excused = name == OWN_LINTS;
        let own = room.not_inherited.clone().into_iter().filter(move |field| !(excused && field == "lints"));
        own.map(move |field| format!("{name} does not inherit {field}"))
    };
    house.rooms.iter().flat_map(of).collect()
}

/// Folders carry the short name, packages the prefix.
#[must_use]
pub fn names_follow_folders(house: &House) -> Violations {
    let expected = |dir: &str| match dir {
        "crates/gofer" => "gofer".to_owned(),
        "xtask" => "xtask".to_owned(),
        dir => format!("gofer-{}", dir.strip_prefix("crates/").unwrap_or(dir).replace('/', "-")),
    };
    let wrong = house.rooms.iter().filter(|room| room.name != expected(&room.dir));
    wrong
        .map(|room| format!("`{}` holds the package {}, not {}", room.dir, room.name, expected(&room.dir)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{house, room};
    use super::*;

    #[test]
    fn a_version_of_its_own_is_caught() {
        let mut odd = room("gofer-a", &[]);
        odd.not_inherited = vec!["lints".to_owned()];
        assert_eq!(manifests_inherit(&house(vec![odd])), ["gofer-a does not inherit lints"]);
    }

    #[test]
    fn the_one_crate_with_lints_of_its_own_inherits_all_else() {
        let mut own = room("gofer-tests-chance", &[]);
        own.not_inherited = vec!["lints".to_owned()];
        assert!(manifests_inherit(&house(vec![own.clone()])).is_empty());
        own.not_inherited = vec!["version".to_owned()];
        assert_eq!(manifests_inherit(&house(vec![own])).len(), 1);
    }

    #[test]
    fn a_name_that_is_not_its_folder_is_caught() {
        let mut odd = room("gofer-a", &[]);
        odd.dir = "crates/b".to_owned();
        let mut e2e = room("gofer-tests-e2e", &[]);
        e2e.dir = "tests/e2e".to_owned();
        assert_eq!(names_follow_folders(&house(vec![odd, e2e])).len(), 1);
    }
}
