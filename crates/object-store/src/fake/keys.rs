//! What defects make of keys.

use super::Defect;
use crate::{KeyPrefix, MAX_SEGMENT, ObjectKey, PageRequest};

/// The key under which an object is kept: the key itself, but for some defects.
pub(super) fn kept(key: &ObjectKey, defect: Option<Defect>) -> ObjectKey {
    let text = key.as_str();
    let other = match defect {
        Some(Defect::FoldsCase) => text.to_lowercase(),
        Some(Defect::ComposesUnicode) => text.replace("e\u{301}", "é").replace("A\u{30a}", "Å"),
        Some(Defect::DecodesEscapes) => text.replace("%2f", "/").replace("%2e", ".").replace("%25", "%"),
        Some(Defect::TrimsKeys) => text.trim_end_matches([' ', '.']).to_owned(),
        Some(Defect::CutsLongKeys) => {
            let cut = |segment: &str| segment.chars().take(MAX_SEGMENT - 28).collect::<String>();
            key.segments().map(cut).collect::<Vec<_>>().join("/")
        }
        _ => return key.clone(),
    };
    other.parse().unwrap_or_else(|_| key.clone())
}

/// Whether a key belongs into a list, as the contract or a defect says.
pub(super) fn listed(
    prefix: &KeyPrefix,
    page: &PageRequest,
    key: &ObjectKey,
    defect: Option<Defect>,
) -> bool {
    let (text, start) = (key.as_str(), prefix.to_string());
    let inside = match defect {
        Some(Defect::PrefixIsText) => text.starts_with(&start),
        Some(Defect::PrefixIncludesItself) => prefix.holds(key) || text == start,
        _ => prefix.holds(key),
    };
    let behind = page.after.as_ref().is_none_or(|after| match defect {
        Some(Defect::PageRepeatsItsCursor) => key >= after,
        Some(Defect::CursorIsANumber) => true,
        _ => key > after,
    });
    inside && behind
}
