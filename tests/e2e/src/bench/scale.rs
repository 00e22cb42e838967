//! How much is measured: everything, or a hundredth of it to see that each part works.

use std::sync::atomic::{AtomicBool, Ordering};

/// The argument that makes everything small. Its figures mean nothing.
pub(crate) const FLAG: &str = "--quick";

static QUICK: AtomicBool = AtomicBool::new(false);

/// Makes everything small from now on.
pub(crate) fn set_quick() {
    QUICK.store(true, Ordering::Relaxed);
}

/// Whether everything is small.
pub(crate) fn is_quick() -> bool {
    QUICK.load(Ordering::Relaxed)
}

/// So many; few where everything is small.
pub(crate) fn scaled(full: usize) -> usize {
    if is_quick() { full.div_ceil(100).clamp(4, 500) } else { full }
}
