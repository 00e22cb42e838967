//! Rules about manifests.

use super::Violations;
use crate::house::House;

/// Every version, edition and lint comes from the workspace.
#[must_use]
pub fn manifests_inherit(house: &House) -> Violations {
    let of = |room: &crate::house::Room| {
        let name = room.name.clone();
        let own = room.not_inherited.clone().into_iter();
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
    fn a_name_that_is_not_its_folder_is_caught() {
        let mut odd = room("gofer-a", &[]);
        odd.dir = "crates/b".to_owned();
        let mut e2e = room("gofer-tests-e2e", &[]);
        e2e.dir = "tests/e2e".to_owned();
        assert_eq!(names_follow_folders(&house(vec![odd, e2e])).len(), 1);
    }
}
