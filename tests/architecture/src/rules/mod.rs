//! The rules: each a pure function from a house to its violations, one sentence a violation.

mod arrows;
mod document;
mod engine;
mod manifest;
mod others;

pub use arrows::{
    backends_know_no_other_room, backends_serve_one_trait, binary_is_main_alone,
    cli_reaches_the_engine_through_the_server, only_tests_use_the_testkit, only_the_server_joins_backends,
    xtask_stands_alone,
};
pub use document::{arrows_are_written, rooms_are_named};
pub use engine::{
    engine_has_no_clock_and_no_files, engine_spawns_in_its_driver, parts_of_the_engine_keep_its_rules,
    run_machine_is_pure,
};
pub use manifest::{manifests_inherit, names_follow_folders};
pub use others::{plain_rooms_have_no_runtime, trait_rooms_are_still, vendors_have_owners};

/// What breaks a rule; empty if nothing does.
pub type Violations = Vec<String>;

#[cfg(test)]
mod samples {
    //! Small houses for the tests of the rules.

    use crate::house::{Arrow, ArrowKind, House, Room};

    /// A room with normal arrows.
    pub(super) fn room(name: &str, arrows: &[&str]) -> Room {
        let arrows = arrows.iter().map(|to| arrow(to, ArrowKind::Normal)).collect();
        let short = name.strip_prefix("gofer-").unwrap_or(name);
        Room { name: name.to_owned(), dir: format!("crates/{short}"), arrows, ..Room::default() }
    }

    pub(super) fn arrow(to: &str, kind: ArrowKind) -> Arrow {
        Arrow { to: to.to_owned(), kind, optional: false }
    }

    pub(super) fn house(rooms: Vec<Room>) -> House {
        House { rooms, ..House::default() }
    }
}
