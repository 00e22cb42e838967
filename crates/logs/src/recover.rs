//! What is known about a log that lies on the disk. Reads only; a torn end is passed over here and cut by the writer.
//!
//! Segments that nothing is appended to any more were on the disk before the next was begun, so their index is trusted
//! and a bad frame in them is damage. The last one of an open log may end in a torn frame: what a crash leaves.

use std::io::Read;
use std::path::Path;

use crate::disk;
use crate::error::LogError;
use crate::sidecar::{self, Index, SEGMENT_HEADER, Sealed, Sidecar};
use crate::state::LogState;

const SCAN: u64 = 1024 * 1024;

/// Finds out what is stored in the folder of a log; nothing if there is no folder.
pub(crate) fn recover(dir: &Path) -> Result<LogState, LogError> {
    let sealed = read_sealed(dir)?;
    let numbers = disk::segment_numbers(dir).map_err(LogError::io("list", dir))?;
    let numbers = without_unborn(dir, numbers)?;
    let mut state = LogState::default();
    for (position, number) in numbers.iter().enumerate() {
        let path = disk::segment_path(dir, *number);
        let closed = sealed.is_some() || position + 1 < numbers.len();
        if !(closed && take_index(dir, *number, &mut state)?) {
            scan(&path, closed, &mut state)?;
        }
    }
    if let Some(sealed) = sealed {
        agree(dir, &state, &sealed)?;
        state.sealed = true;
    }
    Ok(state)
}

fn read_sealed(dir: &Path) -> Result<Option<Sealed>, LogError> {
    let path = disk::sealed_path(dir);
    let Some(bytes) = disk::read_small(&path).map_err(LogError::io("read", &path))? else {
        return Ok(None);
    };
    let damaged = || LogError::corrupt(&path, 0, "it is not what was written");
    sidecar::decode(Sidecar::Sealed, &path, &bytes)?.ok_or_else(damaged).map(Some)
}

/// Leaves out a last segment whose header was never written to its end.
fn without_unborn(dir: &Path, mut numbers: Vec<u32>) -> Result<Vec<u32>, LogError> {
    if let Some(last) = numbers.last() {
        let path = disk::segment_path(dir, *last);
        let mut header = Vec::new();
        let file = disk::open_to_read(&path).map_err(LogError::io("open", &path))?;
        file.take(SEGMENT_HEADER).read_to_end(&mut header).map_err(LogError::io("read", &path))?;
        if sidecar::parse_segment_header(&path, &header)?.is_none() {
            numbers.pop();
        }
    }
    Ok(numbers)
}

/// Whether there is a usable index of this segment; if so, it is taken in.
fn take_index(dir: &Path, number: u32, state: &mut LogState) -> Result<bool, LogError> {
    let path = disk::index_path(dir, number);
    let Some(bytes) = disk::read_small(&path).map_err(LogError::io("read", &path))? else {
        return Ok(false);
    };
    let Some(index) = sidecar::decode::<Index>(Sidecar::Index, &path, &bytes)? else {
        return Ok(false);
    };
    let segment = disk::segment_path(dir, number);
    let found = std::fs::symlink_metadata(&segment).map_err(LogError::io("look at", &segment))?;
    let fits = index.segment.number == state.next_number()
        && index.segment.first_seq == state.head.next_seq
        && index.segment.end == found.len();
    if fits {
        state.segments.push(index.segment);
        state.head = index.head;
    }
    Ok(fits)
}

/// Reads a segment from its first frame to its last.
fn scan(path: &Path, closed: bool, state: &mut LogState) -> Result<(), LogError> {
    let mut file = disk::open_to_read(path).map_err(LogError::io("open", path))?;
    let mut rest = Vec::new();
    let mut more =
        |rest: &mut Vec<u8>, len| (&mut file).take(len).read_to_end(rest).map_err(LogError::io("read", path));
    more(&mut rest, SEGMENT_HEADER)?;
    let header = sidecar::parse_segment_header(path, &rest)?;
    if header != Some((state.next_number(), state.head.next_seq)) {
        return Err(LogError::corrupt(path, 0, "its header does not follow on the segment before it"));
    }
    rest.clear();
    state.begin_segment(SEGMENT_HEADER);
    loop {
        let read = more(&mut rest, SCAN)?;
        let absorbed = state.absorb(&rest, true);
        rest.drain(..absorbed.used);
        if absorbed.bad || read == 0 {
            break;
        }
    }
    let end = state.segments.last().map_or(0, |segment| segment.end);
    if closed && !rest.is_empty() {
        return Err(LogError::corrupt(path, end, "there is no frame of this log"));
    }
    Ok(())
}

fn agree(dir: &Path, state: &LogState, sealed: &Sealed) -> Result<(), LogError> {
    let segments = u32::try_from(state.segments.len()).unwrap_or(u32::MAX);
    let found = Sealed { segments, stored: state.stored(), next_seq: state.head.next_seq };
    if found == *sealed {
        Ok(())
    } else {
        Err(LogError::corrupt(&disk::sealed_path(dir), 0, "the segments are not those that were sealed"))
    }
}
