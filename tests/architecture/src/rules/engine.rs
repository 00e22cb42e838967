//! Rules about the source of the engine and of its machine: time, files and tasks come from outside or from one place.

use super::Violations;
use crate::house::{House, Source};

const OUTSIDE: [&str; 8] = [
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "tokio::fs",
    "File::open",
    "tokio::time::sleep",
];

/// The engine reads no clock but the one it is handed, and touches no file.
#[must_use]
pub fn engine_has_no_clock_and_no_files(house: &House) -> Violations {
    in_files("engine", &house.engine, |_| true, &OUTSIDE)
}

const SPAWNS: [&str; 4] = ["tokio::spawn", "tokio::task::spawn", ".spawn(", "spawn_blocking"];

/// Only the driver starts tasks, so that each has an owner.
#[must_use]
pub fn engine_spawns_in_its_driver(house: &House) -> Violations {
    in_files("engine", &house.engine, |source| !is_in(source, "driver"), &SPAWNS)
}

/// What left the engine keeps its rules: no clock of its own, no files, and the tasks are started by the engine.
#[must_use]
pub fn parts_of_the_engine_keep_its_rules(house: &House) -> Violations {
    let words = [&SPAWNS[..], &OUTSIDE].concat();
    house.parts.iter().flat_map(|(name, sources)| in_files(name, sources, |_| true, &words)).collect()
}

/// The machine decides and does nothing else: no waiting, no runtime, no time, no files, no randomness.
#[must_use]
pub fn run_machine_is_pure(house: &House) -> Violations {
    const WORDS: [&str; 6] = ["async ", ".await", "tokio", "std::env", "Uuid::", "rand::"];
    in_files("run-machine", &house.machine, |_| true, &[&WORDS[..], &OUTSIDE].concat())
}

/// Whether a file is the module of that name or below it.
fn is_in(source: &Source, module: &str) -> bool {
    source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
}

fn in_files(name: &str, sources: &[Source], which: impl Fn(&Source) -> bool, words: &[&str]) -> Violations {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| which(source)) {
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            violations.push(format!("{name}/src/{} names `{}`", source.path, word.trim()));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(path: &str, text: &str) -> House {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        House { engine: vec![source], ..House::default() }
    }

    #[test]
    fn a_clock_and_a_file_are_caught_anywhere() {
        assert_eq!(
            engine_has_no_clock_and_no_files(&engine("driver/a.rs", "std::fs::read(SystemTime)")).len(),
            2
        );
    }

    #[test]
    fn a_task_is_caught_outside_the_driver_only() {
        assert_eq!(engine_spawns_in_its_driver(&engine("face/a.rs", "tracker.spawn(x)")).len(), 1);
        assert!(engine_spawns_in_its_driver(&engine("driver/a.rs", "tracker.spawn(x)")).is_empty());
        assert!(engine_spawns_in_its_driver(&engine("driver.rs", "tokio::spawn(x)")).is_empty());
    }

    #[test]
    fn a_clock_a_file_and_a_task_in_a_part_of_the_engine_are_caught() {
        let text = "tokio::spawn(x); File::open(Instant::now())";
        let source = Source { path: "a.rs".to_owned(), text: text.to_owned() };
        let house = House { parts: vec![("journal".to_owned(), vec![source])], ..House::default() };
        let violations = parts_of_the_engine_keep_its_rules(&house);
        assert_eq!(violations.len(), 3, "{violations:?}");
        assert!(violations[0].starts_with("journal/src/a.rs"), "{violations:?}");
    }

    #[test]
    fn waiting_and_a_clock_in_the_machine_are_caught() {
        let text = "async fn f() { g().await; Instant::now() }";
        let source = Source { path: "a.rs".to_owned(), text: text.to_owned() };
        assert_eq!(run_machine_is_pure(&House { machine: vec![source], ..House::default() }).len(), 3);
        assert!(run_machine_is_pure(&engine("api.rs", text)).is_empty());
    }
}
