//! What a run has seen so far.

use crate::catalogue::{ALL, Definition};
use crate::samples::Samples;

/// The samples of each figure that was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(&'static Definition, Samples)>);

impl Figures {
    /// One round's value.
    pub(crate) fn record(&mut self, definition: &'static Definition, value: f64) {
        let at = self.0.iter().position(|(d, _)| d.key == definition.key).unwrap_or_else(|| {
            self.0.push((definition, Samples::default()));
            self.0.len() - 1
        });
        self.0[at].1.push(value);
    }

    /// What was measured, in the catalogue's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Definition, &Samples)> {
        ALL.iter().filter_map(|definition| Some((*definition, self.get(definition)?)))
    }

    pub(crate) fn get(&self, definition: &Definition) -> Option<&Samples> {
        self.0.iter().find(|(d, _)| d.key == definition.key).map(|(_, samples)| samples)
    }
}
