//! Tables: fixed columns, two spaces between them, no box drawing, nothing cut.

use crate::style::{Colour, Style};

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// A field in a colour.
    pub fn coloured(text: impl Into<String>, colour: Option<Colour>) -> Self {
        Self { text: text.into(), colour }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Lays out rows under headers, one line each. An empty field is shown as `-`.
pub fn lay_out(headers: Option<&[&str]>, rows: &[Vec<Cell>], style: &Style) -> String {
    let head = headers.map(|names| names.iter().map(|name| Cell::from(*name)).collect::<Vec<_>>());
    let all: Vec<&Vec<Cell>> = head.iter().chain(rows).collect();
    let columns = all.iter().map(|row| row.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|n| all.iter().filter_map(|row| row.get(n)).map(Cell::width).max().unwrap_or(0))
        .collect();
    all.iter().map(|row| line(row, &widths, style)).collect()
}

fn line(row: &[Cell], widths: &[usize], style: &Style) -> String {
    let mut line = String::new();
    for (n, (cell, width)) in row.iter().zip(widths).enumerate() {
        let text = if cell.text.is_empty() { "-" } else { &cell.text };
        let pad = if n + 1 == row.len() { 0 } else { width.saturating_sub(text.chars().count()) + 2 };
        match cell.colour {
            Some(colour) => line.push_str(&style.paint(colour, text)),
            None => line.push_str(text),
        }
        line.extend(std::iter::repeat_n(' ', pad));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// Lays out names and values, one pair a line.
pub fn pairs(pairs: &[(&str, String)], style: &Style) -> String {
    let rows: Vec<Vec<Cell>> =
        pairs.iter().map(|(name, value)| vec![(*name).into(), value.clone().into()]).collect();
    lay_out(None, &rows, style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{ColorChoice, Surroundings};

    fn style(choice: ColorChoice) -> Style {
        Style::new(&Surroundings::default(), choice, None, gofer_types::Timestamp::default())
    }

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["hello/12".into(), Cell::coloured("running", Some(Colour::Bold)), "2/4".into()],
            vec!["etl/881".into(), "queued".into(), "".into()],
        ]
    }

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let table = lay_out(Some(&["RUN", "STATE", "TASKS"]), &rows(), &style(ColorChoice::Never));
        assert_eq!(table, "RUN       STATE    TASKS\nhello/12  running  2/4\netl/881   queued   -\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let plain = lay_out(None, &rows(), &style(ColorChoice::Never));
        let coloured = lay_out(None, &rows(), &style(ColorChoice::Always));
        assert_ne!(plain, coloured);
        assert_eq!(plain, coloured.replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""));
    }
}
