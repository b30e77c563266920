//! Columns that line up.

/// A table: a line of headings, then the rows.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    heading: &'static str,
    right: bool,
}

impl Table {
    /// Headings that start with `>` stand over numbers, which line up on the right.
    pub(super) fn new(headings: &[&'static str]) -> Table {
        let column = |heading: &&'static str| match heading.strip_prefix('>') {
            Some(heading) => Column { heading, right: true },
            None => Column { heading, right: false },
        };
        Table { columns: headings.iter().map(column).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell per column");
        self.rows.push(cells);
    }

    /// The text, each line ended; the headings bold where the terminal knows that.
    pub(super) fn render(&self, bold: bool) -> String {
        let headings: Vec<String> = self.columns.iter().map(|c| c.heading.to_owned()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| self.rows.iter().chain([&headings]).map(|row| row[i].chars().count()).max().unwrap_or(0))
            .collect();
        let head = self.line(&headings, &widths);
        let mut text = if bold { format!("\x1b[1m{head}\x1b[0m\n") } else { head + "\n" };
        for row in &self.rows {
            text += &self.line(row, &widths);
            text.push('\n');
        }
        text
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut text = String::new();
        for ((cell, column), width) in cells.iter().zip(&self.columns).zip(widths) {
            if !text.is_empty() {
                text += "  ";
            }
            text += &if column.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
        }
        text.trim_end().to_owned()
    }
}
