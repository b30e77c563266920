//! The table that a run prints.

use std::fmt::Write as _;

use crate::catalogue::{Budget, Definition, find};
use crate::figures::Figures;
use crate::peers::Peer;
use crate::samples::Samples;

/// The figures with their budgets, and the peers beside them.
pub(crate) fn of(figures: &Figures, peers: &[Peer]) -> String {
    let mut text = String::new();
    let rows: Vec<[String; 5]> =
        figures.iter().map(|(definition, samples)| row(definition, samples)).collect();
    put(&mut text, ["what", "median", "min – max", "budget", ""], &rows);
    if !peers.is_empty() {
        text.push('\n');
        beside(&mut text, figures, peers);
    }
    text
}

fn row(definition: &Definition, samples: &Samples) -> [String; 5] {
    let number = |value: Option<f64>| value.map_or_else(String::new, number);
    let (budget, verdict) = match (definition.budget, samples.median()) {
        (Some(budget), Some(value)) => (limit(budget), if budget.is_kept(value) { "ok" } else { "MISSED" }),
        _ => (String::new(), ""),
    };
    [
        definition.label.to_owned(),
        format!("{} {}", number(samples.median()), definition.unit),
        format!("{} – {}", number(samples.min()), number(samples.max())),
        budget,
        verdict.to_owned(),
    ]
}

fn limit(budget: Budget) -> String {
    match budget {
        Budget::AtLeast(limit) => format!("≥ {}", number(limit)),
        Budget::AtMost(limit) => format!("≤ {}", number(limit)),
    }
}

/// What peers measured too: their figure, and how many times better ours is.
fn beside(text: &mut String, figures: &Figures, peers: &[Peer]) {
    for peer in peers {
        let rows: Vec<[String; 5]> = peer
            .figures
            .iter()
            .filter_map(|(key, theirs)| {
                let definition = find(key)?;
                let ours = figures.get(definition)?.median()?;
                let times = if definition.more_is_better { ours / theirs } else { theirs / ours };
                Some([
                    definition.label.to_owned(),
                    format!("{} {}", number(*theirs), definition.unit),
                    format!("{} {}", number(ours), definition.unit),
                    format!("{} ×", number(times)),
                    String::new(),
                ])
            })
            .collect();
        put(text, [&format!("beside {}", peer.name), "theirs", "ours", "better", ""], &rows);
        text.push('\n');
    }
}

/// A few significant digits, thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        x if x >= 100.0 || x == 0.0 => 0,
        x if x >= 10.0 => 1,
        x if x >= 1.0 => 2,
        x if x >= 0.1 => 3,
        _ => 4,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(w, f)| (w, Some(f)));
    let mut text = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 && digit.is_ascii_digit() {
            text.push(' ');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        let _ = write!(text, ".{fraction}");
    }
    text
}

/// Columns as wide as they must be; all but the first and last to the right.
fn put(text: &mut String, head: [&str; 5], rows: &[[String; 5]]) {
    let head = head.map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    for row in [&head].into_iter().chain(rows) {
        let [what, a, b, c, verdict] = row;
        let [w0, w1, w2, w3, _] = widths;
        let line = format!("{what:w0$}  {a:>w1$}  {b:>w2$}  {c:>w3$}  {verdict}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{APPLY_RATIO, CHUNK_1, CHUNK_10};

    #[test]
    fn the_table_says_what_was_missed_and_how_peers_compare() {
        let mut figures = Figures::default();
        for value in [1_500_000.0, 1_250_000.0, 1_750_000.5] {
            figures.record(&CHUNK_1, value);
        }
        figures.record(&APPLY_RATIO, 2.5);
        figures.record(&CHUNK_10, 9e6);
        let peers = [Peer { name: "dask", figures: vec![("elements_per_s_chunk1".to_owned(), 600.0)] }];
        insta::assert_snapshot!(of(&figures, &peers));
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_deserve() {
        let shown = [0.0, 0.00123, 0.456, 2.345, 45.67, 1_234_567.8, -1234.0].map(number);
        assert_eq!(shown, ["0", "0.0012", "0.456", "2.35", "45.7", "1 234 568", "-1 234"]);
    }
}
