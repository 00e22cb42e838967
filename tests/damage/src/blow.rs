//! One damage to one file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gofer_tests_e2e::crash::Dice;

/// What happens to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// So many bytes are left of it.
    Cut(u64),
    /// Its last bytes become others; the number of bytes, and the seed of what they become.
    Garble(u64, u64),
    /// One bit of this byte is turned over.
    Flip(u64, u8),
}

/// A damage to a file below a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blow {
    /// The file.
    pub path: PathBuf,
    /// What happens to it.
    pub damage: Damage,
}

impl Blow {
    /// Strikes the file below this directory.
    ///
    /// # Panics
    /// If the file is not as long as the blow was meant for.
    pub fn strike(&self, root: &Path) {
        let path = root.join(&self.path);
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("the file is there");
        match self.damage {
            Damage::Cut(len) => file.set_len(len).expect("the file can be cut"),
            Damage::Garble(count, seed) => garble(&file, count, &mut Dice::with(seed)),
            Damage::Flip(at, bit) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).expect("the byte is there");
                file.write_all_at(&[byte[0] ^ (1 << bit)], at).expect("the byte can be written");
            }
        }
    }
}

/// Every one of the last bytes becomes another one.
fn garble(file: &File, count: u64, dice: &mut Dice) {
    let len = file.metadata().expect("the file is there").len();
    let count = count.min(len);
    let mut bytes = vec![0; usize::try_from(count).expect("a few bytes")];
    file.read_exact_at(&mut bytes, len - count).expect("the bytes are there");
    for byte in &mut bytes {
        *byte ^= u8::try_from(1 + dice.below(255)).expect("a byte");
    }
    file.write_all_at(&bytes, len - count).expect("the bytes can be written");
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.damage {
            Damage::Cut(len) => write!(f, "{path} cut to {len} bytes"),
            Damage::Garble(count, seed) => write!(f, "{path} with {count} garbled bytes at its end ({seed})"),
            Damage::Flip(at, bit) => write!(f, "{path} with bit {bit} of byte {at} turned over"),
        }
    }
}
