//! Output of tasks is written by strangers: nothing in it may steer the terminal.
//!
//! Of all escape sequences only colours (SGR) pass, and only where colours are wanted. Cursor moves, titles, clipboard
//! writes, links and every other control are dropped.

/// The longest colour sequence that passes; a longer one is no colour.
const LONGEST_SGR: usize = 64;

/// The sequence that ends all colours.
pub const RESET: &str = "\u{1b}[0m";

/// A text without any control, for messages.
pub fn plain(text: &str) -> String {
    clean(text, false)
}

/// One line of output, safe to print. With `colours` the SGR sequences pass, and are ended with the line.
pub fn line(bytes: &[u8], colours: bool) -> String {
    clean(&String::from_utf8_lossy(bytes), colours)
}

fn clean(text: &str, colours: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(at) = rest.find(is_control) {
        safe.push_str(&rest[..at]);
        let mut tail = rest[at..].chars();
        let control = tail.next();
        rest = tail.as_str();
        match control {
            Some('\t') => safe.push('\t'),
            // A program that redraws its line: the pieces stay readable side by side.
            Some('\r') if !rest.is_empty() => safe.push(' '),
            Some('\u{1b}') => {
                let (sgr, after) = escape(rest);
                rest = after;
                if let (true, Some(sgr)) = (colours, sgr) {
                    safe.push_str("\u{1b}[");
                    safe.push_str(sgr);
                    safe.push('m');
                    coloured = true;
                }
            }
            Some('\u{9b}') => rest = csi(rest).1,
            Some('\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => rest = string(rest),
            _ => {}
        }
    }
    safe.push_str(rest);
    if coloured {
        safe.push_str(RESET);
    }
    safe
}

fn is_control(c: char) -> bool {
    c.is_control()
}

/// What follows an escape: the parameters of a colour, if it is one, and the text behind the sequence.
fn escape(rest: &str) -> (Option<&str>, &str) {
    let mut chars = rest.chars();
    match chars.next() {
        Some('[') => csi(chars.as_str()),
        Some(']' | 'P' | 'X' | '^' | '_') => (None, string(chars.as_str())),
        // Intermediates, then one final character: character sets and the like.
        Some(' '..='/') => (None, skip_while(chars.as_str(), |c| (' '..='/').contains(&c), 1)),
        // Another escape begins a sequence of its own.
        Some('\u{1b}') | None => (None, rest),
        Some(_) => (None, chars.as_str()),
    }
}

/// A control sequence: parameters, intermediates, one final character.
fn csi(rest: &str) -> (Option<&str>, &str) {
    let end = rest.find(|c: char| !('\u{20}'..='\u{3f}').contains(&c)).unwrap_or(rest.len());
    let (body, tail) = rest.split_at(end);
    let mut after = tail.chars();
    match after.next() {
        Some('m') if is_sgr(body) => (Some(body), after.as_str()),
        Some(c) if !c.is_control() => (None, after.as_str()),
        _ => (None, tail),
    }
}

fn is_sgr(body: &str) -> bool {
    body.len() <= LONGEST_SGR && body.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':')
}

/// A string sequence (title, clipboard, link): ends with BEL or ST; swallowed to the end of the line if it never ends.
fn string(rest: &str) -> &str {
    let Some(at) = rest.find(['\u{7}', '\u{1b}', '\u{9c}']) else { return "" };
    let tail = &rest[at..];
    tail.strip_prefix("\u{1b}\\")
        .or_else(|| tail.strip_prefix('\u{7}'))
        .or_else(|| tail.strip_prefix('\u{9c}'))
        .unwrap_or(tail)
}

fn skip_while(text: &str, skipped: impl Fn(char) -> bool, and_then: usize) -> &str {
    let mut chars = text.trim_start_matches(skipped).chars();
    for _ in 0..and_then {
        chars.next();
    }
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether every escape in the text is a colour and there is no other control but the tab.
    fn only_colours(text: &str) -> bool {
        let mut pieces = text.split('\u{1b}');
        let clean = |piece: &str| piece.chars().all(|c| c == '\t' || !c.is_control());
        pieces.next().is_some_and(clean)
            && pieces.all(|piece| {
                let end = piece.find('m').unwrap_or(0);
                piece.starts_with('[') && end > 0 && is_sgr(&piece[1..end]) && clean(&piece[end..])
            })
    }

    #[test]
    fn colours_pass_where_they_are_wanted_and_end_with_the_line() {
        assert_eq!(line(b"\x1b[31mred", true), "\u{1b}[31mred\u{1b}[0m");
        assert_eq!(line(b"\x1b[31mred\x1b[0m", false), "red");
    }

    #[test]
    fn cursor_moves_titles_clipboards_and_links_are_dropped() {
        let hostile: [&[u8]; 9] = [
            b"\x1b[2J\x1b[Hx",
            b"\x1b]0;title\x07x",
            b"\x1b]52;c;aGVsbG8=\x1b\\x",
            b"\x1b]8;;file:///etc/passwd\x1b\\x\x1b]8;;\x1b\\",
            b"\x1bPq#0\x1b\\x",
            b"\x1b(0x",
            b"\x1bcx",
            b"\x1b[?1049hx",
            "\u{9b}2Jx".as_bytes(),
        ];
        for bytes in hostile {
            assert_eq!(line(bytes, true), "x", "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_unended_title_swallows_no_more_than_its_line() {
        assert_eq!(line(b"a\x1b]0;never ends", true), "a");
    }

    #[test]
    fn a_carriage_return_cannot_reach_the_prefix() {
        assert_eq!(line(b"10%\r20%\r", true), "10% 20%");
    }

    #[test]
    fn plain_text_is_untouched() {
        let text = "  naïve 日本 \t tabs, <angles> & {braces}";
        assert_eq!(line(text.as_bytes(), false), text);
    }

    proptest! {
        #[test]
        fn whatever_a_task_prints_the_terminal_only_sees_colours(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0x1b_u8), Just(b'['), Just(b']'), Just(b'm'), Just(b';'), Just(0x9b), any::<u8>()],
                0..200,
            )
        ) {
            let safe = line(&bytes, true);
            prop_assert!(only_colours(&safe), "{:?}", safe);
            prop_assert!(!line(&bytes, false).chars().any(|c| c != '\t' && c.is_control()));
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in "[\\x1b\\[\\]m;0-9a-z\u{7}\u{9b}]{0,60}") {
            let once = line(text.as_bytes(), false);
            prop_assert_eq!(line(once.as_bytes(), false), once);
        }
    }
}
