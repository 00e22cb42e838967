//! Rules about crates of others: who may name them.

use super::Violations;
use crate::house::{Arrow, ArrowKind, House, Room};

/// Crates of others (by prefix) and the only rooms that may name them, in whatever kind of dependency.
const OWNERS: [(&str, &[&str]); 9] = [
    ("tonic", &["api", "client", "contract", "plugin", "proto", "web"]),
    ("prost", &["api", "client", "contract", "plugin", "proto", "web"]),
    ("bollard", &["scheduler-docker"]),
    ("sled", &["storage-sled", "secret-store-sled", "object-store-sled"]),
    ("redb", &["storage-redb"]),
    ("vaultrs", &["secret-store-vault"]),
    ("hcl-", &["syntax"]),
    ("clap", &["grammar", "output"]),
    ("tracing-subscriber", &["server", "telemetry", "cli"]),
];

/// Only its owners name a vendor's crate.
#[must_use]
pub fn vendors_have_owners(house: &House) -> Violations {
    let mut violations = Vec::new();
    for room in &house.rooms {
        for (vendor, owners) in OWNERS.iter().filter(|(_, owners)| !owners.contains(&room.short())) {
            if let Some(arrow) = room.arrows.iter().find(|arrow| is_of(&arrow.to, vendor)) {
                violations.push(format!(
                    "{} names {}; only {} may",
                    room.short(),
                    arrow.to,
                    owners.join(", ")
                ));
            }
        }
    }
    violations
}

fn is_of(name: &str, vendor: &str) -> bool {
    let rest = name.strip_prefix(vendor.trim_end_matches('-'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || rest.starts_with('_'))
}

/// What drags a runtime or a protocol into a crate that only describes.
const HEAVY: [&str; 5] = ["tokio", "tonic", "prost", "reqwest", "hyper"];
/// The features behind which a trait crate may use a runtime: its suite, its fake, and what embedded engines share.
const GATES: [&str; 3] = ["conformance", "fake", "embedded"];

/// A trait crate has no runtime and no protocol but behind its gates, and no gate is open by default.
#[must_use]
pub fn trait_rooms_are_still(house: &House) -> Violations {
    house.rooms.iter().filter(|room| room.is_trait()).flat_map(still).collect()
}

fn still(room: &Room) -> Violations {
    let heavy = room.arrows.iter().filter(|arrow| arrow.kind == ArrowKind::Normal && is_heavy(arrow));
    let open = heavy.filter(|arrow| !arrow.optional || turned_on_elsewhere(room, &arrow.to));
    let mut violations: Violations = open
        .map(|arrow| format!("the trait crate {} has {} outside its gates", room.short(), arrow.to))
        .collect();
    if room.features.get("default").is_some_and(|on| !on.is_empty()) {
        violations.push(format!("the trait crate {} has default features", room.short()));
    }
    violations
}

fn is_heavy(arrow: &Arrow) -> bool {
    HEAVY.iter().any(|heavy| is_of(&arrow.to, heavy))
}

fn turned_on_elsewhere(room: &Room, dependency: &str) -> bool {
    let turns_on = |on: &String| {
        let target = on.strip_prefix("dep:").unwrap_or(on);
        target.split(['/', '?']).next() == Some(dependency)
    };
    let mut others = room.features.iter().filter(|(name, _)| !GATES.contains(&name.as_str()));
    others.any(|(_, on)| on.iter().any(turns_on))
}

/// Rooms that only describe or compute: no runtime, no protocol.
const PLAIN: [&str; 8] =
    ["types", "backend", "container", "syntax", "pipeline", "run-machine", "config", "proto"];

/// What only describes or computes has no runtime; `proto` alone names the protocol.
#[must_use]
pub fn plain_rooms_have_no_runtime(house: &House) -> Violations {
    let mut violations = Vec::new();
    for room in house.rooms.iter().filter(|room| PLAIN.contains(&room.short())) {
        let normal = room.arrows.iter().filter(|arrow| arrow.kind == ArrowKind::Normal);
        let wrong = normal.filter(|arrow| is_of(&arrow.to, "tokio"));
        violations.extend(wrong.map(|arrow| format!("{} has {}", room.short(), arrow.to)));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::samples::{arrow, house, room};
    use super::*;

    #[test]
    fn a_vendor_in_a_strange_room_is_caught_in_any_kind() {
        let mut engine = room("gofer-engine", &["tonic", "sled", "bollard"]);
        engine.arrows.push(arrow("tonic-health", ArrowKind::Dev));
        let owner = room("gofer-api", &["tonic", "tonic-health", "prost-types"]);
        assert_eq!(vendors_have_owners(&house(vec![engine, owner])).len(), 3);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_not_a_vendors() {
        assert!(is_of("hcl-edit", "hcl-") && is_of("sled", "sled") && is_of("tonic-web", "tonic"));
        assert!(!is_of("sledgehammer", "sled") && !is_of("redbull", "redb"));
    }

    fn storage(optional: bool, features: &[(&str, &str)]) -> House {
        let mut storage = room("gofer-storage", &["bytes"]);
        storage.arrows.push(Arrow { to: "tokio".to_owned(), kind: ArrowKind::Normal, optional });
        storage.features =
            features.iter().map(|(name, on)| ((*name).to_owned(), vec![(*on).to_owned()])).collect();
        house(vec![storage])
    }

    #[test]
    fn a_runtime_in_a_trait_crate_is_caught_unless_it_is_behind_a_gate() {
        assert!(trait_rooms_are_still(&storage(true, &[("fake", "dep:tokio")])).is_empty());
        assert_eq!(trait_rooms_are_still(&storage(false, &[])).len(), 1);
        assert_eq!(trait_rooms_are_still(&storage(true, &[("extras", "dep:tokio")])).len(), 1);
        assert_eq!(trait_rooms_are_still(&storage(true, &[("extras", "tokio/rt")])).len(), 1);
        assert_eq!(trait_rooms_are_still(&storage(true, &[("default", "fake")])).len(), 1);
    }

    #[test]
    fn a_runtime_in_a_plain_room_is_caught_and_one_in_its_tests_is_not() {
        let mut types = room("gofer-types", &["serde"]);
        types.arrows.push(arrow("tokio", ArrowKind::Dev));
        assert!(plain_rooms_have_no_runtime(&house(vec![types])).is_empty());
        assert_eq!(plain_rooms_have_no_runtime(&house(vec![room("gofer-types", &["tokio-util"])])).len(), 1);
    }
}
