//! The fingerprint of a pipeline: equal exactly if nothing in it changed.

use std::fmt::Write as _;

use gofer_types::Pipeline;
use sha2::{Digest as _, Sha256};

/// Changes when the encoding below does, so that old and new fingerprints are never taken for each other.
const ENCODING: &[u8] = b"gofer pipeline 1\n";

/// The SHA-256 of a pipeline in a canonical encoding, as 64 hexadecimal digits. Layout, comments, the notation of the
/// file and the order of maps do not matter; everything else does.
#[must_use]
pub fn digest(pipeline: &Pipeline) -> String {
    #[expect(
        clippy::expect_used,
        reason = "all keys are texts and no part of a pipeline refuses to be serialised"
    )]
    let encoded = serde_json::to_vec(pipeline).expect("a pipeline can be serialised");
    let hash = Sha256::new().chain_update(ENCODING).chain_update(&encoded).finalize();
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
