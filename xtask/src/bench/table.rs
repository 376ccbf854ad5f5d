//! Tables as Markdown has them, so that what a bench prints can go into `docs/performance.md` as it is.

use std::fmt;

/// Rows of text below a head.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One without rows. The first column holds words, all others numbers.
    pub(super) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self
            .rows
            .iter()
            .chain([&self.head])
            .filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn write_row(&self, f: &mut fmt::Formatter<'_>, row: &[String]) -> fmt::Result {
        for (column, cell) in row.iter().enumerate() {
            let width = self.width(column);
            match column {
                0 => write!(f, "| {cell:<width$} |")?,
                _ => write!(f, " {cell:>width$} |")?,
            }
        }
        writeln!(f)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_row(f, &self.head)?;
        for column in 0..self.head.len() {
            let line = "-".repeat(self.width(column).max(1));
            match column {
                0 => write!(f, "| {line} |")?,
                _ => write!(f, " {}: |", line.get(1..).unwrap_or_default())?,
            }
        }
        writeln!(f)?;
        self.rows.iter().try_for_each(|row| self.write_row(f, row))
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["guest", "ms"]);
        table.push(["hello.p2", "10.00"]);
        table.push(["a", "2.50"]);
        let expected = "\
| guest    |    ms |
| -------- | ----: |
| hello.p2 | 10.00 |
| a        |  2.50 |
";
        assert_eq!(table.to_string(), expected);
    }
}
