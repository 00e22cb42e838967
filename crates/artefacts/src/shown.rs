//! Names as errors show them. A name in an archive is a stranger's text: it must neither move a cursor nor fill a log.

/// More characters than this are cut off.
const LONGEST: usize = 200;

/// The name on one line: what controls a terminal or turns the direction of text is written out, what is no text is replaced.
pub(crate) fn shown(name: &[u8]) -> String {
    // Four bytes a character at most: no more of a long name is looked at.
    let head = name.get(..LONGEST * 4).unwrap_or(name);
    let text = String::from_utf8_lossy(head);
    let mut line = String::new();
    for character in text.chars().take(LONGEST) {
        if character.is_control() || turns(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    if head.len() < name.len() || text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_neither_moves_the_cursor_nor_fills_the_log() {
        assert_eq!(shown(b"a/\x1b[2J\n\r"), "a/\\u{1b}[2J\\u{a}\\u{d}");
        assert_eq!(shown("gpj.\u{202e}exe".as_bytes()), "gpj.\\u{202e}exe");
        assert_eq!(shown("größe".as_bytes()), "größe");
        assert_eq!(shown(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        let long = shown(&[b'a'; 100_000]);
        assert_eq!((long.chars().count(), long.chars().last()), (201, Some('…')));
        assert_eq!(shown(&[b'a'; 200]).len(), 200);
    }
}
