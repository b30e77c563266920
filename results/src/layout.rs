//! Where the rows of a column go in a dataset.
//!
//! Going down a column, each array of fixed length adds a dimension, an option or a failed element makes
//! holes, and a sequence of varying length makes the cells variable-length.

/// The cells of a dataset, and which of them have a value.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The dataset's shape; its first axis is the element.
    pub(crate) dims: Vec<usize>,
    /// Which cells have a value in the column; all, if absent.
    present: Option<Vec<bool>>,
    /// Set where the cells are variable-length.
    pub(crate) ragged: Option<Ragged>,
}

/// Cells of varying length.
#[derive(Clone, Debug)]
pub(crate) struct Ragged {
    /// The number of items in each cell.
    pub(crate) lengths: Vec<usize>,
    /// The shape of one item, if it is an array itself.
    pub(crate) item_shape: Vec<usize>,
}

impl Layout {
    /// One value.
    pub(crate) fn scalar() -> Self {
        Self { dims: Vec::new(), present: None, ragged: None }
    }

    /// One row per element; where `present` is given, rows only for those that are marked.
    pub(crate) fn rows(rows: usize, present: Option<Vec<bool>>) -> Self {
        Self { dims: vec![rows], present, ragged: None }
    }

    pub(crate) fn cells(&self) -> usize {
        self.dims.iter().product()
    }

    /// The layout of the items of arrays of one length.
    pub(crate) fn with_axis(&self, length: usize) -> Self {
        let mut layout = self.clone();
        match &mut layout.ragged {
            Some(ragged) => ragged.item_shape.push(length),
            None => {
                layout.dims.push(length);
                layout.present = layout
                    .present
                    .map(|cells| cells.iter().flat_map(|cell| std::iter::repeat_n(*cell, length)).collect());
            }
        }
        layout
    }

    /// The layout of the items of sequences of these lengths, one per present cell.
    pub(crate) fn with_lengths(&self, lengths: Vec<usize>) -> Self {
        let ragged = Ragged { lengths: self.spread(lengths, 0), item_shape: Vec::new() };
        Self { dims: self.dims.clone(), present: None, ragged: Some(ragged) }
    }

    /// The layout of the values of options, of which there are as many as present cells.
    pub(crate) fn with_holes(&self, some: Vec<bool>) -> Self {
        Self { dims: self.dims.clone(), present: Some(self.spread(some, false)), ragged: None }
    }

    /// A value per cell, from the values of the present cells.
    pub(crate) fn spread<T: Clone>(&self, values: Vec<T>, absent: T) -> Vec<T> {
        let Some(present) = &self.present else { return values };
        let mut values = values.into_iter();
        let cell =
            |present: &bool| present.then(|| values.next()).flatten().unwrap_or_else(|| absent.clone());
        present.iter().map(cell).collect()
    }

    /// Per cell, which value of the column belongs there.
    pub(crate) fn sources(&self) -> impl Fn(usize) -> Option<usize> + use<> {
        let places: Option<Vec<Option<usize>>> = self.present.as_ref().map(|present| {
            let mut next = 0..;
            present.iter().map(|present| present.then(|| next.next()).flatten()).collect()
        });
        move |cell| places.as_ref().map_or(Some(cell), |places| places[cell])
    }

    /// The cells of these values of the column.
    pub(crate) fn cells_of(&self, values: Vec<usize>) -> Vec<u64> {
        let cells: Option<Vec<usize>> = self.present.as_ref().map(|present| {
            present.iter().enumerate().filter(|(_, present)| **present).map(|(cell, _)| cell).collect()
        });
        values.into_iter().map(|value| cells.as_ref().map_or(value, |cells| cells[value]) as u64).collect()
    }

    /// Whether some cells have no value.
    pub(crate) fn has_holes(&self) -> bool {
        self.present.as_ref().is_some_and(|present| present.contains(&false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_cells() {
        let layout = Layout::rows(4, Some(vec![true, false, true, true]));
        assert_eq!(layout.spread(vec![1, 2, 3], 0), [1, 0, 2, 3]);
        assert_eq!(layout.cells_of(vec![0, 2]), [0, 3]);
        let sources = layout.sources();
        assert_eq!([sources(0), sources(1), sources(2)], [Some(0), None, Some(1)]);
        let options = layout.with_holes(vec![false, true, true]);
        assert_eq!(options.spread(vec![7, 8], 0), [0, 0, 7, 8]);
        let arrays = options.with_axis(2);
        assert_eq!(arrays.dims, [4, 2]);
        assert_eq!(arrays.spread(vec![1, 2, 3, 4], 0), [0, 0, 0, 0, 1, 2, 3, 4]);
        let ragged = layout.with_lengths(vec![5, 0, 2]).with_axis(3);
        assert_eq!((ragged.dims.len(), ragged.ragged.unwrap().lengths), (1, vec![5, 0, 0, 2]));
    }
}
