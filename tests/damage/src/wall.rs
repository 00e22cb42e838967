//! A wall clock that jumps when it is told to, for one program.
//!
//! A few lines of C (`wall.c`) stand in front of the C library of the server and add what a file holds to every reading of
//! the wall clock. The file is mapped: a jump is there at once. The monotonic clock, sleeps and the clocks of every other
//! process, those of the tasks too, stay as they are. It takes a C compiler, which building gofer takes anyway.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use gofer_testkit::{ServerBuilder, World};

const SOURCE: &str = include_str!("wall.c");
const COMPILER: &str = "cc";

/// A wall clock of its own for a server.
#[derive(Debug)]
pub struct Wall {
    library: PathBuf,
    shift: PathBuf,
    // The files lie in it.
    _world: World,
}

impl Wall {
    /// Why there can be none on this machine, if that is so.
    #[must_use]
    pub fn unavailable() -> Option<String> {
        let asked = Command::new(COMPILER).arg("--version").output();
        asked.err().map(|error| format!("no wall clock of its own: {COMPILER}: {error}"))
    }

    /// One that shows the time of this machine.
    ///
    /// # Panics
    /// If the library cannot be built.
    #[must_use]
    pub fn new() -> Self {
        let world = World::new();
        let (source, shift) = (world.write("wall.c", SOURCE), world.write("shift", 0_i64.to_ne_bytes()));
        let library = world.join("wall.so");
        let mut compiler = Command::new(COMPILER);
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        let built = compiler.output().expect("there is a compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { library, shift, _world: world }
    }

    /// A server with this clock.
    #[must_use]
    pub fn given_to(&self, server: ServerBuilder) -> ServerBuilder {
        server
            .env("LD_PRELOAD", self.library.display().to_string())
            .env("GOFER_WALL_SHIFT", self.shift.display().to_string())
    }

    /// From now on it shows this machine's time and so many nanoseconds more.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn jump(&self, shift: i64) {
        let file = OpenOptions::new().write(true).open(&self.shift).expect("the file is there");
        file.write_all_at(&shift.to_ne_bytes(), 0).expect("eight bytes can be written");
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self::new()
    }
}
