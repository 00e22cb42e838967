//! The file: TOML to a layer, every value with its line and column.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::complaint::{Complaint, Origin, code};
use crate::layer::{KeyPath, Layer};

/// Reads the text of a file; every syntax error is a complaint.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Layer, Vec<Complaint>> {
    let mut file = Document { path, text, layer: Layer::default(), complaints: Vec::new() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let origin = file.origin(error.span().unwrap_or(0..0));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        file.complaints.push(Complaint::new(code::SYNTAX, message, &origin));
    }
    file.table(&KeyPath::new(), root.get_ref());
    if file.complaints.is_empty() { Ok(file.layer) } else { Err(file.complaints) }
}

struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    layer: Layer,
    complaints: Vec<Complaint>,
}

impl Document<'_> {
    fn table(&mut self, above: &[String], table: &DeTable<'_>) {
        for (name, value) in table {
            let mut path = above.to_vec();
            path.push(name.get_ref().to_string());
            self.value(path, name.span(), value);
        }
    }

    fn value(&mut self, path: KeyPath, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let origin = self.origin(name);
        if let DeValue::Table(table) = value.get_ref() {
            // An empty table inside a backend's table is a setting like any other, and must not get lost.
            if table.is_empty() && path.len() > 2 {
                return self.layer.set(path, toml::Value::Table(toml::Table::new()), origin);
            }
            self.layer.tables.insert(path.clone(), origin);
            return self.table(&path, table);
        }
        // The parser keeps numbers as text; what is beyond their range shows only here.
        match self.text[value.span()].parse() {
            Ok(value) => self.layer.set(path, value, origin),
            Err(error) => self.complaints.push(Complaint::new(code::SYNTAX, error.message(), &origin)),
        }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::dotted;

    fn places(text: &str) -> Vec<String> {
        let layer = parse(Path::new("f"), text).unwrap();
        layer
            .leaves
            .iter()
            .map(|(path, leaf)| format!("{} {} {}", dotted(path), leaf.value, leaf.origin))
            .collect()
    }

    #[test]
    fn every_form_of_a_value_is_found_at_its_key() {
        let text = "top = 1\n[a]\nx = \"é\" \n  y = [1,\n 2]\nz = { k = true }\n[a.b]\nw = 0x10\n";
        assert_eq!(
            places(text),
            ["a.b.w 16 f:8:1", "a.x \"é\" f:3:1", "a.y [1, 2] f:4:3", "a.z.k true f:6:7", "top 1 f:1:1"]
        );
    }

    #[test]
    fn an_empty_table_is_remembered() {
        let layer = parse(Path::new("f"), "[storage.redb]\n").unwrap();
        let origin = &layer.tables[&["storage".to_owned(), "redb".to_owned()][..]];
        assert_eq!(origin.to_string(), "f:1:10");
    }

    #[test]
    fn all_syntax_errors_are_told_at_once() {
        let complaints = parse(Path::new("f"), "a = \nb = 1\nc 2\nb = 3\n").unwrap_err();
        let lines: Vec<_> = complaints.iter().map(|complaint| complaint.origin.to_string()).collect();
        assert!(lines.iter().any(|line| line.starts_with("f:1:")), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("f:3:")), "{lines:?}");
        assert!(complaints.iter().all(|complaint| complaint.code == code::SYNTAX));
    }

    #[test]
    fn a_number_beyond_its_range_is_an_error_and_not_another_number() {
        let complaints = parse(Path::new("f"), "a = 99999999999999999999\n").unwrap_err();
        assert_eq!(complaints.len(), 1);
    }

    #[test]
    fn hostile_texts_do_not_panic() {
        for text in
            ["\u{feff}", "a\0b", "[[[[", "\"", "a.b.c.d = {", "[a]\n[a]\n", "é = é", "a = \"\\uD800\""]
        {
            let _ = parse(Path::new("f"), text);
        }
    }
}
