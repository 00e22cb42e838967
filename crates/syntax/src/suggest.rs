//! "Did you mean": the nearest known word.

/// How many words may be compared for one file, so that many mistakes among many names stay cheap.
pub const BUDGET: usize = 20_000;

/// The longest word that is worth comparing.
const LONGEST: usize = 80;

/// The candidate nearest to a word, if one is near enough to be a slip of the pen. Takes what it compares off the
/// budget and gives up when that is used up.
pub fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    budget: &mut usize,
) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    if lower.len() > LONGEST {
        return None;
    }
    let allowed = (lower.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        *budget = budget.checked_sub(1)?;
        if candidate.len() > LONGEST || candidate.len().abs_diff(lower.len()) > allowed * 4 {
            continue;
        }
        let distance = strsim::osa_distance(&lower, &candidate.to_ascii_lowercase());
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let words = ["command", "script", "image"];
        assert_eq!(nearest("comand", words, &mut BUDGET.clone()), Some("command"));
        assert_eq!(nearest("IMAGE", words, &mut BUDGET.clone()), Some("image"));
        assert_eq!(nearest("workdir", words, &mut BUDGET.clone()), None);
    }

    #[test]
    fn the_budget_ends_the_search() {
        let mut budget = 1;
        assert_eq!(nearest("comand", ["image", "command"], &mut budget), None);
        assert_eq!(budget, 0);
    }
}
