//! The newest blocks of followed logs, in memory, so that many followers of one log read the disk once or not at all.
//!
//! A block is a run of whole frames as it was written. It is found by its place in the file; who does not find it here
//! reads the file. Each log keeps little, and all logs together keep no more than the budget.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

const PER_LOG: usize = 256 * 1024;
const BLOCKS_PER_LOG: usize = 256;
const ALL_LOGS: usize = 32 * 1024 * 1024;

/// What may still be kept in memory, over all logs.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(ALL_LOGS)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct Block {
    segment: u32,
    offset: u64,
    bytes: Bytes,
}

/// The newest blocks of one log.
#[derive(Debug)]
pub(crate) struct Recent {
    budget: Arc<Budget>,
    blocks: VecDeque<Block>,
    size: usize,
}

impl Recent {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, blocks: VecDeque::new(), size: 0 }
    }

    /// Keeps a block and lets go of older ones; keeps nothing if the block is large or the budget is used up.
    pub(crate) fn keep(&mut self, segment: u32, offset: u64, bytes: Vec<u8>) {
        let size = bytes.len();
        while self.size + size > PER_LOG || self.blocks.len() >= BLOCKS_PER_LOG {
            if !self.forget_oldest() {
                return;
            }
        }
        if !self.budget.take(size) {
            self.clear();
            return;
        }
        // a buffer that was larger once must not hide behind a small block
        let bytes = Bytes::from(bytes.into_boxed_slice());
        self.size += size;
        self.blocks.push_back(Block { segment, offset, bytes });
    }

    /// The bytes from there to the end of their block.
    pub(crate) fn find(&self, segment: u32, offset: u64) -> Option<Bytes> {
        let after = self.blocks.partition_point(|block| (block.segment, block.offset) <= (segment, offset));
        let block = self.blocks.get(after.checked_sub(1)?)?;
        let skip = offset.checked_sub(block.offset).and_then(|skip| usize::try_from(skip).ok())?;
        (block.segment == segment && skip < block.bytes.len()).then(|| block.bytes.slice(skip..))
    }

    pub(crate) fn clear(&mut self) {
        while self.forget_oldest() {}
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(block) = self.blocks.pop_front() else { return false };
        self.size -= block.bytes.len();
        self.budget.give_back(block.bytes.len());
        true
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_every_place_in_it_and_by_no_other() {
        let mut recent = Recent::new(Budget::new());
        recent.keep(1, 100, b"abc".to_vec());
        recent.keep(1, 103, b"de".to_vec());
        recent.keep(2, 32, b"fg".to_vec());
        let found = |segment, offset| recent.find(segment, offset);
        assert_eq!(found(1, 101), Some(Bytes::from_static(b"bc")));
        assert_eq!(found(1, 103), Some(Bytes::from_static(b"de")));
        assert_eq!(found(2, 33), Some(Bytes::from_static(b"g")));
        assert_eq!(
            [found(1, 99), found(1, 105), found(2, 34), found(2, 1), found(3, 32)],
            [const { None }; 5]
        );
    }

    #[test]
    fn no_more_is_kept_than_the_budgets_allow() {
        let budget = Budget::new();
        let mut logs: Vec<Recent> = (0..200).map(|_| Recent::new(Arc::clone(&budget))).collect();
        for log in &mut logs {
            for block in 0..20 {
                log.keep(1, block * 65_536, vec![0; 65_536]);
                assert!(log.size <= PER_LOG);
            }
            log.keep(2, 0, vec![0; PER_LOG + 1]);
        }
        for log in &mut logs {
            for block in 0..4 {
                log.keep(3, block * 65_536, vec![0; 65_536]);
            }
        }
        let kept: usize = logs.iter().map(|log| log.size).sum();
        assert_eq!(kept, ALL_LOGS, "as much as the budget allows");
        drop(logs);
        assert_eq!(budget.0.load(Ordering::Acquire), ALL_LOGS);
    }
}
