//! Rules about arrows between our own crates.

use super::Violations;
use crate::house::{ALL_KINDS, ArrowKind, House, Room};

fn each(house: &House, rule: impl Fn(&Room) -> Violations) -> Violations {
    house.rooms.iter().flat_map(rule).collect()
}

/// No backend depends on another backend, or on the engine, the API, the server or what stands above them; not even in
/// its tests.
#[must_use]
pub fn backends_know_no_other_room(house: &House) -> Violations {
    const ABOVE: [&str; 13] = [
        "engine", "api", "contract", "server", "client", "cli", "grammar", "input", "views", "output", "web",
        "records", "config",
    ];
    let is_backend = |short: &str| house.room(short).is_some_and(Room::is_backend);
    each(house, |room| {
        let wrong =
            room.ours(&ALL_KINDS).filter(|to| room.is_backend() && (is_backend(to) || ABOVE.contains(to)));
        // Its tests may turn on its own features.
        let wrong = wrong.filter(|to| *to != room.short());
        wrong.map(|to| format!("the backend {} depends on {to}", room.short())).collect()
    })
}

/// A backend depends on the trait of its own family, and on no other trait.
#[must_use]
pub fn backends_serve_one_trait(house: &House) -> Violations {
    let is_trait = |short: &str| house.room(short).is_some_and(Room::is_trait);
    each(house, |room| {
        let Some(family) = room.family() else { return Vec::new() };
        let traits: Vec<&str> = room.ours(&[ArrowKind::Normal]).filter(|to| is_trait(to)).collect();
        if traits == [family] {
            return Vec::new();
        }
        vec![format!("the backend {} depends on the traits {traits:?}, not on {family} alone", room.short())]
    })
}

/// The server is the only crate that depends on more than one backend.
#[must_use]
pub fn only_the_server_joins_backends(house: &House) -> Violations {
    let is_backend = |short: &str| house.room(short).is_some_and(Room::is_backend);
    each(house, |room| {
        let backends: Vec<&str> = room.ours(&[ArrowKind::Normal]).filter(|to| is_backend(to)).collect();
        if room.short() == "server" || backends.len() < 2 {
            return Vec::new();
        }
        vec![format!("{} depends on several backends: {}", room.short(), backends.join(", "))]
    })
}

/// The contributor's commands build when nothing else does, and build fast: none of ours, and few of others.
#[must_use]
pub fn xtask_stands_alone(house: &House) -> Violations {
    const MOST: usize = 3;
    let Some(xtask) = house.room("xtask") else { return vec!["there is no xtask".to_owned()] };
    let ours = xtask.ours(&ALL_KINDS).map(|to| format!("xtask depends on {to}"));
    let many = xtask.arrows.len() > MOST;
    ours.chain(many.then(|| format!("xtask has more than {MOST} dependencies"))).collect()
}

/// The test kit is used by tests only: as a development dependency, or by a package under `tests/`.
#[must_use]
pub fn only_tests_use_the_testkit(house: &House) -> Violations {
    each(house, |room| {
        let uses = room.ours(&[ArrowKind::Normal, ArrowKind::Build]).any(|to| to == "testkit");
        let allowed = room.dir.starts_with("tests/");
        if uses && !allowed {
            vec![format!("{} is no test and depends on testkit", room.short())]
        } else {
            Vec::new()
        }
    })
}

/// The command line reaches the engine through the server's builder, never by itself; of its rooms only `cli` does.
#[must_use]
pub fn cli_reaches_the_engine_through_the_server(house: &House) -> Violations {
    const ROOMS: [&str; 5] = ["cli", "grammar", "input", "views", "output"];
    const BELOW: [&str; 6] = ["engine", "records", "storage", "api", "contract", "proto"];
    let is_below = |to: &str| BELOW.contains(&to) || FAMILY_PREFIXES.iter().any(|p| to.starts_with(p));
    each(house, |room| {
        let short = room.short();
        let wrong =
            room.ours(&[ArrowKind::Normal]).filter(|to| is_below(to) || short != "cli" && *to == "server");
        let wrong = wrong.filter(|_| ROOMS.contains(&short));
        wrong.map(|to| format!("{short} depends on {to}")).collect()
    })
}

const FAMILY_PREFIXES: [&str; 3] = ["storage-", "scheduler-", "object-store-"];

/// The binary is `main` and nothing else: it depends on the command line and perhaps on the server.
#[must_use]
pub fn binary_is_main_alone(house: &House) -> Violations {
    let Some(binary) = house.rooms.iter().find(|room| room.name == "gofer") else { return Vec::new() };
    let wrong = binary.ours(&[ArrowKind::Normal]).filter(|to| !["cli", "server"].contains(to));
    wrong.map(|to| format!("the binary depends on {to}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{arrow, house, room};
    use super::*;

    #[test]
    fn a_backend_that_knows_another_or_the_engine_is_caught_even_in_its_tests() {
        let mut redb = room("gofer-storage-redb", &["gofer-storage", "gofer-engine"]);
        redb.arrows.push(arrow("gofer-storage-sled", ArrowKind::Dev));
        let sled = room("gofer-storage-sled", &["gofer-storage"]);
        assert_eq!(backends_know_no_other_room(&house(vec![redb, sled])).len(), 2);
    }

    #[test]
    fn a_backend_of_two_families_or_of_none_is_caught() {
        let traits = [room("gofer-storage", &[]), room("gofer-scheduler", &[])];
        for arrows in [&["gofer-storage", "gofer-scheduler"][..], &[][..], &["gofer-scheduler"][..]] {
            let mut rooms = traits.to_vec();
            rooms.push(room("gofer-storage-x", arrows));
            assert_eq!(backends_serve_one_trait(&house(rooms)).len(), 1, "{arrows:?}");
        }
        let mut rooms = traits.to_vec();
        rooms.push(room("gofer-storage-x", &["gofer-storage"]));
        assert!(backends_serve_one_trait(&house(rooms)).is_empty());
    }

    #[test]
    fn a_second_room_that_joins_backends_is_caught() {
        let both = ["gofer-storage-a", "gofer-storage-b"];
        let rooms = vec![
            room("gofer-storage-a", &[]),
            room("gofer-storage-b", &[]),
            room("gofer-server", &both),
            room("gofer-cli", &both),
        ];
        assert_eq!(
            only_the_server_joins_backends(&house(rooms)),
            ["cli depends on several backends: storage-a, storage-b"]
        );
    }

    #[test]
    fn an_xtask_with_one_of_ours_or_with_many_is_caught() {
        assert_eq!(xtask_stands_alone(&house(vec![room("xtask", &["gofer-types"])])).len(), 1);
        assert_eq!(xtask_stands_alone(&house(vec![room("xtask", &["a", "b", "c", "d"])])).len(), 1);
        assert!(xtask_stands_alone(&house(vec![room("xtask", &["a"])])).is_empty());
        assert_eq!(xtask_stands_alone(&house(vec![])).len(), 1);
    }

    #[test]
    fn a_product_crate_with_the_testkit_is_caught_and_a_test_is_not() {
        let mut e2e = room("gofer-tests-e2e", &["gofer-testkit"]);
        e2e.dir = "tests/e2e".to_owned();
        let mut unit = room("gofer-api", &[]);
        unit.arrows.push(arrow("gofer-testkit", ArrowKind::Dev));
        let product = room("gofer-server", &["gofer-testkit"]);
        assert_eq!(only_tests_use_the_testkit(&house(vec![e2e, unit, product])).len(), 1);
    }

    #[test]
    fn a_cli_that_takes_a_short_cut_is_caught() {
        let cli = room("gofer-cli", &["gofer-server", "gofer-client", "gofer-engine", "gofer-storage-redb"]);
        assert_eq!(cli_reaches_the_engine_through_the_server(&house(vec![cli])).len(), 2);
    }

    #[test]
    fn another_room_of_the_command_line_that_knows_the_server_is_caught() {
        let views = room("gofer-views", &["gofer-client", "gofer-server"]);
        let grammar = room("gofer-grammar", &["gofer-output", "gofer-records"]);
        assert_eq!(
            cli_reaches_the_engine_through_the_server(&house(vec![views, grammar])),
            ["views depends on server", "grammar depends on records"]
        );
    }

    #[test]
    fn a_binary_that_does_more_than_main_is_caught() {
        let binary = room("gofer", &["gofer-cli", "gofer-engine"]);
        assert_eq!(binary_is_main_alone(&house(vec![binary])), ["the binary depends on engine"]);
    }
}
