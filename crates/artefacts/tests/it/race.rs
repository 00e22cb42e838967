//! Tasks that change things while they are packed or unpacked: at every moment that can be named, and at random.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gofer_artefacts::{Limits, PackProblem, UnpackProblem, pack, unpack};

use crate::raw::{archive, dir, file};
use crate::world::{CANARY, World, snapshot, texts};

/// Reads and writes, and does something once when that many bytes have gone by.
struct At<T, F> {
    inner: T,
    bytes: usize,
    act: Option<F>,
}

impl<T, F: FnOnce()> At<T, F> {
    fn pass(&mut self, length: usize) {
        match self.bytes.checked_sub(length) {
            Some(left) if left > 0 => self.bytes = left,
            _ => {
                if let Some(act) = self.act.take() {
                    act();
                }
            }
        }
    }
}

impl<T: Read, F: FnOnce()> Read for At<T, F> {
    /// One block at a time, and what is done is done before the block is seen.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(512);
        let read = self.inner.read(&mut buffer[..length])?;
        self.pass(read);
        Ok(read)
    }
}

impl<T: Write, F: FnOnce()> Write for At<T, F> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.pass(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Directories on two levels, with files large enough to be written in parts.
fn sound() -> Vec<u8> {
    let large = vec![b'x'; 3000];
    archive(&[
        dir("d"),
        file("d/a", &large),
        dir("d/e"),
        file("d/e/b", &large),
        file("d/e/c", b""),
        file("f", b"f"),
    ])
}

fn swap(from: &Path, aside: &Path, target: &Path) {
    // Early on there is nothing to move aside yet; the link is laid all the same.
    drop(fs::rename(from, aside));
    drop(symlink(target, from));
}

#[test]
fn a_directory_swapped_for_a_link_at_any_block_leads_nowhere() {
    let bytes = sound();
    let (mut refused, mut done) = (0, 0);
    for name in ["d", "d/e"] {
        for block in 0..=bytes.len() / 512 {
            let world = World::new();
            let (into, outside) = (world.target(), world.outside());
            let before = snapshot(&outside);
            let act = || swap(&into.join(name), &into.join("aside"), &outside);
            let reader = At { inner: bytes.as_slice(), bytes: block * 512, act: Some(act) };
            match unpack(reader, &into, &Limits::default()) {
                Ok(_) => done += 1,
                Err(error) => {
                    assert!(matches!(error.problem, UnpackProblem::LinkInTheWay), "{error}");
                    refused += 1;
                }
            }
            assert_eq!(snapshot(&outside), before, "{name} at block {block}");
        }
    }
    assert!(refused > 0 && done > 0, "{refused} {done}");
}

#[test]
fn removing_again_touches_neither_what_links_lead_to_nor_what_others_made() {
    let mut bytes = sound();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend([1; 512]);
    let blocks = bytes.len() / 512;
    for block in 0..=blocks {
        let world = World::new();
        let (into, outside) = (world.target(), world.outside());
        // The names of the archive exist outside as well, to be removed by mistake.
        fs::create_dir(outside.join("e")).unwrap();
        fs::write(outside.join("a"), "theirs").unwrap();
        fs::write(outside.join("e/b"), "theirs").unwrap();
        let before = snapshot(&outside);
        let act = || {
            swap(&into.join("d"), &into.join("aside"), &outside);
            drop(fs::rename(into.join("f"), into.join("moved")));
            fs::write(into.join("f"), "theirs").unwrap();
        };
        let reader = At { inner: bytes.as_slice(), bytes: block * 512, act: Some(act) };
        let error = unpack(reader, &into, &Limits::default()).unwrap_err();
        assert_eq!(snapshot(&outside), before, "at block {block}");
        assert_eq!(fs::read(into.join("f")).unwrap(), b"theirs");
        if block == blocks {
            assert_eq!((error.cleanup.removed, error.cleanup.left), (0, 6));
            assert!(error.to_string().contains("6 could not be"), "{error}");
        }
    }
}

#[test]
fn what_was_carried_away_is_not_removed_through_a_link_to_it() {
    let world = World::new();
    let (into, away) = (world.target(), world.outside().join("away"));
    let bytes = [dir("d"), file("d/a", b"x"), vec![1; 512]].concat();
    let act = || swap(&into.join("d"), &away, &away);
    let reader = At { inner: bytes.as_slice(), bytes: bytes.len(), act: Some(act) };
    let error = unpack(reader, &into, &Limits::default()).unwrap_err();
    assert_eq!((error.cleanup.removed, error.cleanup.left), (0, 2));
    assert_eq!(fs::read(away.join("a")).unwrap(), b"x");
}

#[test]
fn a_thread_that_swaps_all_the_time_gets_nothing_outside() {
    let world = World::new();
    let (into, outside) = (world.target(), world.outside());
    let before = snapshot(&outside);
    let files: Vec<_> = (10..40).map(|number| file(format!("d/e/{number}"), b"x")).collect();
    let bytes = [dir("d"), dir("d/e"), archive(&files)].concat();
    let stop = AtomicBool::new(false);
    let (mut refused, mut done) = (0, 0);
    thread::scope(|scope| {
        let swapper = || {
            while !stop.load(Ordering::Relaxed) {
                for name in ["d", "d/e"] {
                    drop(fs::rename(into.join(name), into.join("aside")));
                    drop(symlink(&outside, into.join(name)));
                    drop(fs::remove_file(into.join(name)));
                    drop(fs::rename(into.join("aside"), into.join(name)));
                }
            }
        };
        thread::Builder::new().name("swapper".to_owned()).spawn_scoped(scope, swapper).unwrap();
        // Until both ends were seen, and some hundred times at least.
        for round in 0.. {
            if round > 100 && (refused > 0 && done > 0 || round > 20_000) {
                break;
            }
            match unpack(bytes.as_slice(), &into, &Limits::default()) {
                Ok(_) => done += 1,
                Err(_) => refused += 1,
            }
            for name in ["d", "aside"] {
                drop(fs::remove_file(into.join(name)));
                drop(fs::remove_dir_all(into.join(name)));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(snapshot(&outside), before);
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done: there was no race");
}

/// Two large files and a directory, packed while something is done as the first file is read.
fn packed_while(act: impl FnOnce(&Path)) -> (Result<u64, PackProblem>, Vec<u8>) {
    let world = World::new();
    fs::create_dir(world.work().join("d")).unwrap();
    for name in ["a", "b", "d/c"] {
        fs::write(world.work().join(name), vec![b'x'; 300_000]).unwrap();
    }
    let mut bytes = Vec::new();
    let writer = At { inner: &mut bytes, bytes: 100_000, act: Some(|| act(world.path())) };
    let result = pack(&world.work(), &texts(&["a", "b", "d"]), &Limits::default(), writer);
    (result.map(|packed| packed.entries).map_err(|error| error.problem), bytes)
}

#[test]
fn a_file_that_grows_is_packed_as_it_was_and_one_that_shrinks_is_refused() {
    let (still, untouched) = packed_while(|_| ());
    assert_eq!(still.unwrap(), 4);
    let (grown, bytes) = packed_while(|world| {
        let mut file = fs::OpenOptions::new().append(true).open(world.join("work/a")).unwrap();
        file.write_all(&[b'y'; 200_000]).unwrap();
    });
    assert_eq!(grown.unwrap(), 4);
    assert!(bytes == untouched, "what grew is not in the archive");
    let (shrunk, _) = packed_while(|world| {
        fs::OpenOptions::new().write(true).open(world.join("work/a")).unwrap().set_len(150_000).unwrap();
    });
    assert!(matches!(shrunk, Err(PackProblem::Changed)), "{shrunk:?}");
}

#[test]
fn a_file_or_directory_swapped_for_a_link_while_packing_tells_nothing() {
    for name in ["b", "d", "d/c"] {
        let (result, bytes) = packed_while(|world| {
            swap(&world.join("work").join(name), &world.join("work/aside"), &world.join("outside/canary"));
        });
        assert!(matches!(result, Err(PackProblem::Kind(_))), "{name}: {result:?}");
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY));
    }
    let (gone, _) = packed_while(|world| fs::remove_file(world.join("work/b")).unwrap());
    assert!(matches!(gone, Err(PackProblem::NotThere)), "{gone:?}");
}

#[test]
fn a_thread_that_swaps_all_the_time_gets_no_canary_into_an_archive() {
    let world = World::new();
    let (work, outside) = (world.work(), world.outside());
    fs::create_dir_all(work.join("d")).unwrap();
    fs::write(work.join("d/canary"), "mine").unwrap();
    let stop = AtomicBool::new(false);
    let (mut refused, mut done) = (0, 0);
    thread::scope(|scope| {
        let swapper = || {
            while !stop.load(Ordering::Relaxed) {
                for (name, target) in [("d", outside.clone()), ("d/canary", outside.join("canary"))] {
                    drop(fs::rename(work.join(name), work.join("aside")));
                    drop(symlink(target, work.join(name)));
                    drop(fs::remove_file(work.join(name)));
                    drop(fs::rename(work.join("aside"), work.join(name)));
                }
            }
        };
        thread::Builder::new().name("swapper".to_owned()).spawn_scoped(scope, swapper).unwrap();
        for round in 0.. {
            if round > 1000 && (refused > 0 && done > 0 || round > 50_000) {
                break;
            }
            let mut bytes = Vec::new();
            match pack(&work, &texts(&["d"]), &Limits::default(), &mut bytes) {
                Ok(_) => done += 1,
                Err(_) => refused += 1,
            }
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY), "in round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0 && done > 0, "{refused} refused, {done} done: there was no race");
}
