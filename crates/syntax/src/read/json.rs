//! JSON to the tree: a small reader that knows where each value stands, refuses keys that are written twice, and does
//! not follow more levels than it may.

use hcl_edit::Number;

use super::scan::{too_deep, too_long};
use super::template::text_node;
use super::{Blocks, blocks, refuse_duplicate_keys};
use crate::codes;
use crate::reading::Reading;
use crate::tree::{Bytes, Item, Kind, Name, Node};

/// What is wrong with the form of the file.
enum Wrong {
    Form { at: Bytes, message: String },
    TooDeep { at: Bytes },
    TooLong { at: Bytes },
}

struct Reader<'c, 'a> {
    cx: &'c mut Reading<'a>,
    text: &'a str,
    at: usize,
    depth: usize,
    elements: usize,
}

pub(super) fn read(cx: &mut Reading<'_>, words: &Blocks) -> Option<Vec<Item>> {
    let text = cx.source.text();
    let mut reader = Reader { cx, text, at: 0, depth: 0, elements: 0 };
    let root = reader.document();
    let cx = reader.cx;
    match root {
        Ok(Node { kind: Kind::Map(items), .. }) => Some(blocks::expand(cx, items, words)),
        Ok(node) => {
            let message = format!("the file must hold a map, not {}", node.what());
            cx.error(codes::SYNTAX, &node.span, message).label("expected `{`");
            None
        }
        Err(Wrong::Form { at, message }) => {
            cx.error(codes::SYNTAX, &at, "the file is not valid JSON").label(message);
            None
        }
        Err(Wrong::TooDeep { at }) => {
            too_deep(cx, &at);
            None
        }
        Err(Wrong::TooLong { at }) => {
            too_long(cx, &at);
            None
        }
    }
}

impl Reader<'_, '_> {
    fn document(&mut self) -> Result<Node, Wrong> {
        let root = self.value()?;
        self.space();
        if self.at < self.text.len() { Err(self.wrong("expected the end of the file")) } else { Ok(root) }
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') && self.at < self.text.len() {
            self.at += 1;
        }
    }

    /// Something unexpected at this point.
    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::Form { at: self.at..self.at + 1, message: message.into() }
    }

    fn value(&mut self) -> Result<Node, Wrong> {
        self.space();
        let start = self.at;
        // a value with what separates it from the next, and a key where it has one
        self.elements += 2;
        if self.elements > self.cx.limits.elements {
            return Err(Wrong::TooLong { at: start..start + 1 });
        }
        let kind = match self.peek() {
            b'{' => Kind::Map(self.nested(Self::map)?),
            b'[' => Kind::List(self.nested(Self::list)?),
            b'"' => {
                let text = self.string()?;
                return Ok(text_node(self.cx, start..self.at, text));
            }
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word("true", Kind::Bool(true))?,
            b'f' => self.word("false", Kind::Bool(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(self.wrong("expected a value")),
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth >= self.cx.limits.depth {
            return Err(Wrong::TooDeep { at: self.at..self.at + 1 });
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// After an element: whether another one follows. Takes the comma or the closing character.
    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, Wrong> {
        self.space();
        let found = self.peek();
        if found != b',' && found != close {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(found == b',')
    }

    fn closes(&mut self, close: u8) -> bool {
        self.space();
        let closes = self.peek() == close;
        self.at += usize::from(closes);
        closes
    }

    fn list(&mut self) -> Result<Vec<Node>, Wrong> {
        let mut values = Vec::new();
        if self.closes(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.value()?);
            if !self.more(b']', "expected `,` or `]`")? {
                return Ok(values);
            }
        }
    }

    fn map(&mut self) -> Result<Vec<Item>, Wrong> {
        let mut items = Vec::new();
        if self.closes(b'}') {
            return Ok(items);
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != b'"' {
                return Err(self.wrong("expected a key in quotes"));
            }
            let key = Name { text: self.string()?, span: start..self.at };
            self.space();
            if self.peek() != b':' {
                return Err(self.wrong("expected `:`"));
            }
            self.at += 1;
            items.push(Item { key, labels: Vec::new(), value: self.value()?, block: false });
            if !self.more(b'}', "expected `,` or `}`")? {
                refuse_duplicate_keys(self.cx, &mut items);
                return Ok(items);
            }
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Wrong> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("expected a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Kind, Wrong> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        let leading_zero = self.peek() == b'0';
        let first = self.at;
        self.digits()?;
        if leading_zero && self.at > first + 1 {
            return Err(Wrong::Form {
                at: start..self.at,
                message: "a number does not begin with 0".to_owned(),
            });
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let number = (text.parse::<u64>().map(Number::from))
            .or_else(|_| text.parse::<i64>().map(Number::from))
            .ok()
            .or_else(|| text.parse().ok().and_then(Number::from_f64));
        let too_large = || Wrong::Form { at: start..self.at, message: "this number is too large".to_owned() };
        number.map(Kind::Number).ok_or_else(too_large)
    }

    /// A text in quotes, from its opening quote.
    fn string(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => text.push(self.escape()?),
                _ => {
                    let message = "this text is not closed on its line; write a line end as `\\n`".to_owned();
                    return Err(Wrong::Form { at: start..start + 1, message });
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        self.at += 1;
        let c = match self.peek() {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong("no such escape sequence")),
        };
        self.at += 1;
        Ok(c)
    }

    /// `\uXXXX`, or two of them for a character beyond the first 65,536.
    fn unicode(&mut self) -> Result<char, Wrong> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.wrong("this is half of a character"));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(self.wrong("the second half of a character is missing"));
        }
        self.at += 1;
        let low = self.hex()?;
        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400);
        let c = low.and_then(|low| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low));
        c.ok_or_else(|| self.wrong("this is not the second half of a character"))
    }

    /// The four digits behind the `u` that stands here.
    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits =
            self.text.get(self.at + 1..self.at + 5).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let value = value.ok_or_else(|| self.wrong("expected four hexadecimal digits"))?;
        self.at += 5;
        Ok(value)
    }
}
