//! Every rule of the house, applied to this workspace.
#![expect(clippy::panic, reason = "a broken rule is a failed test")]

use gofer_tests_architecture::{House, load, rules};

fn holds(rule: fn(&House) -> rules::Violations) {
    let violations = rule(&load::this_house());
    if !violations.is_empty() {
        panic!("\n  {}\n", violations.join("\n  "));
    }
}

macro_rules! rules_hold {
    ($($(#[$doc:meta])* $promise:ident = $rule:ident;)*) => {
        $($(#[$doc])* #[test] fn $promise() { holds(rules::$rule); })*
    };
}

rules_hold! {
    every_arrow_is_written_in_architecture_md = arrows_are_written;
    every_crate_is_named_in_architecture_md_and_the_reverse = rooms_are_named;
    no_backend_knows_another_backend_or_the_engine_the_api_the_server = backends_know_no_other_room;
    every_backend_serves_the_trait_of_its_family_alone = backends_serve_one_trait;
    only_the_server_depends_on_more_than_one_backend = only_the_server_joins_backends;
    the_command_line_reaches_the_engine_through_the_server = cli_reaches_the_engine_through_the_server;
    the_binary_is_main_and_nothing_else = binary_is_main_alone;
    only_tests_depend_on_the_testkit = only_tests_use_the_testkit;
    xtask_depends_on_none_of_ours_and_on_few_others = xtask_stands_alone;
    only_its_owners_name_a_vendors_crate = vendors_have_owners;
    trait_crates_have_no_runtime_and_no_protocol = trait_rooms_are_still;
    crates_that_only_describe_have_no_runtime = plain_rooms_have_no_runtime;
    the_engine_has_no_clock_and_no_files = engine_has_no_clock_and_no_files;
    the_engine_spawns_in_its_driver_alone = engine_spawns_in_its_driver;
    what_left_the_engine_keeps_its_rules = parts_of_the_engine_keep_its_rules;
    the_run_machine_is_pure = run_machine_is_pure;
    every_manifest_inherits_versions_and_lints = manifests_inherit;
    packages_are_named_after_their_folders = names_follow_folders;
}
