//! Sound archives with something changed at random: whatever comes of it, nothing leaves the work directory.

use gofer_artefacts::{Limits, unpack};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;

use crate::raw::{archive, dir, file, long_file};
use crate::world::{World, snapshot};

/// Puts the right checksum into every block that looks like a header, so that the change is not refused by that alone.
fn seal(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_archive_is_refused_whole_or_stays_inside(
        changes in vec((any::<Index>(), any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Option<Index>>(),
    ) {
        let world = World::new();
        let sound = [
            dir("a"), file("a/b", &[7; 600]), dir("a/c"), file("a/c/d", b""), long_file("c".repeat(180).as_bytes()),
        ];
        let mut bytes = archive(&sound);
        for (block, place, value) in &changes {
            // Headers mostly: their blocks, and the first bytes of each.
            let block = block.index(bytes.len() / 512) * 512;
            let place = place.index(512);
            const LETTERS: &[u8] = b"\0/.\\012567LKxgS \xff";
            bytes[block + place] = LETTERS.get(usize::from(*value)).copied().unwrap_or(*value);
        }
        seal(&mut bytes);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let outside = snapshot(&world.outside());
        let result = unpack(bytes.as_slice(), &world.target(), &Limits::default());
        prop_assert_eq!(snapshot(&world.outside()), outside);
        prop_assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 3);
        let inside = snapshot(&world.target());
        prop_assert!(inside.values().all(|(kind, mode, _)| *kind != "link" && [0o755, 0o644].contains(mode)));
        if let Err(error) = result {
            prop_assert!(inside.is_empty() && error.cleanup.left == 0, "{error}: {inside:?}");
        }
    }
}
