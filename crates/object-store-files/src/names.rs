//! Segments of keys as names of files, and back.
//!
//! A name is made of `[a-z0-9_%=-]`, so it is the same on every file system. There are two forms: escaped (`%xx` for every byte but
//! `[a-z0-9_-]`), or `=` and base 32, whichever is shorter. The second begins with `=` and the first never does; each can
//! be read back; so two segments never have one name. No form is longer than 206 characters.

/// The name of a segment.
pub(crate) fn encode(segment: &str) -> String {
    let escaped = escape(segment.as_bytes());
    let packed = format!("={}", pack(segment.as_bytes()));
    if escaped.len() <= packed.len() { escaped } else { packed }
}

/// The segment of a name; `None` for what [`encode`] does not write.
pub(crate) fn decode(name: &str) -> Option<String> {
    let bytes = match name.strip_prefix('=') {
        Some(packed) => unpack(packed)?,
        None => unescape(name)?,
    };
    let segment = String::from_utf8(bytes).ok()?;
    (encode(&segment) == name).then_some(segment)
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE_32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

fn escape(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(*byte)),
            _ => {
                let digit = |value: u8| char::from(HEX[usize::from(value & 15)]);
                name.extend(['%', digit(byte >> 4), digit(*byte)]);
            }
        }
    }
    name
}

fn unescape(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    Some(bytes)
}

fn pack(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u16, 0_u32);
    let digit = |value: u16| char::from(BASE_32[usize::from(value & 31)]);
    for byte in bytes {
        held = held << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            name.push(digit(held >> bits));
        }
    }
    if bits > 0 {
        name.push(digit(held << (5 - bits)));
    }
    name
}

fn unpack(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let (mut held, mut bits) = (0_u16, 0_u32);
    for digit in name.bytes() {
        let value = BASE_32.iter().position(|known| *known == digit)?;
        held = held << 5 | u16::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 255).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_stored_form_of_version_1_stays() {
        let table = [
            ("out", "out"),
            ("out.tar", "out%2etar"),
            ("run-7_b", "run-7_b"),
            ("A", "%41"),
            ("README", "=a92k2h2d8k"),
            ("%2e", "%252e"),
            ("é", "=oekg"),
            ("...", "=5on2s"),
            ("日本語", "=sqbqbpksljkal7g"),
        ];
        for (segment, name) in table {
            assert_eq!(encode(segment), name);
            assert_eq!(decode(name).as_deref(), Some(segment));
        }
    }

    #[test]
    fn the_longest_name_fits_on_every_file_system() {
        for longest in
            ["X".repeat(128), "x".repeat(128), "ж".repeat(64), "\u{10ffff}".repeat(32), ".x".repeat(64)]
        {
            let name = encode(&longest);
            assert!(name.len() <= 206, "{name}");
            assert_eq!(decode(&name), Some(longest));
        }
    }

    #[test]
    fn what_is_not_written_is_not_read() {
        for name in ["A", "a%2Eb", "%61", "%2", "%zz", "=61", "a.b", "=", "a b", "%ff", "=zz", "lost+found"] {
            assert_eq!(decode(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_segment_reads_back_from_its_name(segment in "\\PC{1,30}") {
            let name = encode(&segment);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-%=".contains(&byte)));
            prop_assert_eq!(decode(&name), Some(segment));
        }

        #[test]
        fn no_two_names_stand_for_one_segment(name in "[a-f0-9%=_-]{0,12}") {
            if let Some(segment) = decode(&name) {
                prop_assert_eq!(encode(&segment), name);
            }
        }
    }
}
