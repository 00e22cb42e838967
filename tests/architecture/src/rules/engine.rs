//! Rules about the source of the engine: time, files and tasks come from outside or from one place.

use super::Violations;
use crate::house::{House, Source};

/// The engine reads no clock but the one it is handed, and touches no file.
#[must_use]
pub fn engine_has_no_clock_and_no_files(house: &House) -> Violations {
    const WORDS: [&str; 8] = [
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "std::fs",
        "tokio::fs",
        "File::open",
        "tokio::time::sleep",
    ];
    in_files(house, |_| true, &WORDS)
}

/// Only the driver starts tasks, so that each has an owner.
#[must_use]
pub fn engine_spawns_in_its_driver(house: &House) -> Violations {
    const WORDS: [&str; 4] = ["tokio::spawn", "tokio::task::spawn", ".spawn(", "spawn_blocking"];
    in_files(house, |source| !is_in(source, "driver"), &WORDS)
}

/// The core decides and does nothing else: no waiting, no runtime, no randomness.
#[must_use]
pub fn engine_core_is_pure(house: &House) -> Violations {
    const WORDS: [&str; 6] = ["async ", ".await", "tokio", "std::env", "Uuid::", "rand::"];
    in_files(house, |source| is_in(source, "core"), &WORDS)
}

/// Whether a file is the module of that name or below it.
fn is_in(source: &Source, module: &str) -> bool {
    source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
}

fn in_files(house: &House, which: impl Fn(&Source) -> bool, words: &[&str]) -> Violations {
    let mut violations = Vec::new();
    for source in house.engine.iter().filter(|source| which(source)) {
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            violations.push(format!("engine/src/{} names `{}`", source.path, word.trim()));
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
        assert_eq!(engine_spawns_in_its_driver(&engine("core/a.rs", "tracker.spawn(x)")).len(), 1);
        assert!(engine_spawns_in_its_driver(&engine("driver/a.rs", "tracker.spawn(x)")).is_empty());
        assert!(engine_spawns_in_its_driver(&engine("driver.rs", "tokio::spawn(x)")).is_empty());
    }

    #[test]
    fn waiting_in_the_core_is_caught() {
        assert_eq!(engine_core_is_pure(&engine("core/a.rs", "async fn f() { g().await }")).len(), 2);
        assert!(engine_core_is_pure(&engine("api.rs", "async fn f() {}")).is_empty());
    }
}
