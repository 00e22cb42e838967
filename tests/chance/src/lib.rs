//! The randomness of a process, handed out by seed.
//!
//! The order of a hash map, the branch that a `select!` looks at first, the waiter that a channel wakes first: all of them are
//! seeded from the system's random bytes. This crate takes the place of the function that fetches those bytes, as the
//! standard library allows on purpose (it looks the function up by a weak symbol). A thread that was given a seed gets the
//! same bytes every time; every other thread gets the system's.
//!
//! Only the simulation may depend on it. ADR 0025 says why it is not done in another way.

use std::cell::Cell;
use std::ffi::{c_uint, c_void};

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Gives this thread its seed. To be called before anything on the thread has asked for random bytes.
pub fn seed_thread(seed: u64) {
    STATE.set(Some(seed));
}

/// The next number of a sequence that goes through all of them: SplitMix64, by Steele, Lea and Flood (2014).
#[must_use]
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Fills the bytes: from the seed of the thread if it has one, from the system if not.
fn fill(bytes: &mut [u8]) -> Option<usize> {
    let Some(mut state) = STATE.get() else {
        return rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty()).ok();
    };
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next(&mut state).to_le_bytes()[..chunk.len()]);
    }
    STATE.set(Some(state));
    Some(bytes.len())
}

/// What the standard library calls for random bytes. Answers how many there are, or -1.
///
/// # Safety
/// As for the function of the C library: `buffer` points to `length` bytes that may be written.
#[expect(unsafe_code, reason = "it takes the place of a function of the C library")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    if buffer.is_null() {
        return -1;
    }
    // SAFETY: the caller owes it; the bytes are set before they are read as numbers
    let bytes = unsafe {
        std::ptr::write_bytes(buffer.cast::<u8>(), 0, length);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
    };
    fill(bytes).and_then(|filled| isize::try_from(filled).ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    /// The order of a hash set on a thread of its own.
    fn order(seed: Option<u64>) -> Vec<u32> {
        let look = move || {
            if let Some(seed) = seed {
                super::seed_thread(seed);
            }
            HashSet::<u32>::from_iter(0..1000).into_iter().collect()
        };
        let thread = std::thread::Builder::new().name("seeded".to_owned()).spawn(look);
        thread.map(|thread| thread.join().unwrap_or_default()).unwrap_or_default()
    }

    #[test]
    fn a_seed_decides_the_order_of_a_hash_set() {
        assert_eq!(order(Some(7)), order(Some(7)));
        assert_ne!(order(Some(7)), order(Some(8)));
    }

    #[test]
    fn without_a_seed_it_stays_the_systems() {
        assert_ne!(order(None), order(None));
    }
}
