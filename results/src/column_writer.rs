//! Writes a [`Column`] into the file: each place of the value's shape becomes a group or a dataset.

use hdf5::{Dataset, Group, Location};

use crate::column::{Column, Compound, Fields, Variants};
use crate::layout::Layout;
use crate::lengths::Lengths;
use crate::scalars::{Scalar, Scalars, with_values};
use crate::storage::{Storage, text_attribute};
use crate::texts::Texts;

/// The attribute that tells how to read what is not plain data.
pub(crate) const ENCODING: &str = "encoding";

/// Writes columns; each is freed as soon as it is in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnWriter<'d> {
    pub(crate) storage: Storage<'d>,
}

impl ColumnWriter<'_> {
    /// Writes `column` as `group/name`, a dataset or a group.
    pub(crate) fn write(
        self,
        group: &Group,
        name: &str,
        column: Column,
        layout: &Layout,
    ) -> hdf5::Result<()> {
        match column {
            Column::Unset => self.placeholder(group, name, layout, "absent"),
            Column::Unit(_) => self.placeholder(group, name, layout, "unit"),
            Column::Scalars(scalars) => {
                with_values!(scalars, values => self.scalars(group, name, values, layout))
            }
            Column::Text(texts) => self.texts(group, name, &texts, layout).map(drop),
            Column::Json(texts) => {
                let dataset = self.texts(group, name, &texts, layout)?;
                text_attribute(&dataset, ENCODING, "json")
            }
            Column::Optional { some, values } => self.optional(group, name, some, *values, layout),
            Column::Sequence { lengths, items } => match lengths {
                Lengths::Equal { length, .. } => self.write(group, name, *items, &layout.with_axis(length)),
                Lengths::Ragged(lengths) => self.write(group, name, *items, &layout.with_lengths(lengths)),
            },
            Column::Fields(fields) if is_array(&fields) => self.array(group, name, fields, layout),
            Column::Fields(fields) => {
                let inner = group.create_group(name)?;
                text_attribute(&inner, ENCODING, kind(fields.compound))?;
                for member in fields.members {
                    self.write(&inner, &member.name, member.values, layout)?;
                }
                Ok(())
            }
            Column::Variants(variants) => self.variants(group, name, variants, layout),
        }
    }

    /// What has no value in any row (type unknown: NaN), or values that say nothing (`()`).
    fn placeholder(self, group: &Group, name: &str, layout: &Layout, encoding: &str) -> hdf5::Result<()> {
        let dataset = match encoding {
            "unit" => self.storage.fixed(group, name, &layout.dims, &vec![0u8; layout.cells()])?,
            _ => self.storage.fixed(group, name, &layout.dims, &vec![f64::NAN; layout.cells()])?,
        };
        text_attribute(&dataset, ENCODING, encoding)
    }

    fn scalars<T: Scalar>(
        self,
        group: &Group,
        name: &str,
        values: Vec<T>,
        layout: &Layout,
    ) -> hdf5::Result<()> {
        let Some(ragged) = &layout.ragged else {
            let values = layout.spread(values, T::ABSENT);
            return self.storage.fixed(group, name, &layout.dims, &values).map(drop);
        };
        let item_size: usize = ragged.item_shape.iter().product();
        let mut ends = Vec::with_capacity(ragged.lengths.len());
        let mut end = 0;
        for length in &ragged.lengths {
            end += length * item_size;
            ends.push(end);
        }
        let start = |cell: usize| if cell == 0 { 0 } else { ends[cell - 1] };
        let cell = |cell: usize| &values[start(cell)..ends[cell]];
        let dataset = self.storage.ragged(group, name, &layout.dims, cell)?;
        if !ragged.item_shape.is_empty() {
            shape_attribute(&dataset, &ragged.item_shape)?;
        }
        Ok(())
    }

    fn texts(self, group: &Group, name: &str, texts: &Texts, layout: &Layout) -> hdf5::Result<Dataset> {
        let source = layout.sources();
        self.storage.texts(group, name, &layout.dims, |cell| source(cell).map_or("", |row| texts.get(row)))
    }

    fn optional(
        self,
        group: &Group,
        name: &str,
        some: Vec<bool>,
        values: Column,
        layout: &Layout,
    ) -> hdf5::Result<()> {
        let holes = layout.with_holes(some.clone());
        let mask = format!("{name}.is_some");
        if let Column::Optional { some: inner, values } = values {
            // An option of an option: the mask is written as an option itself, and has a mask.
            self.optional(group, &mask, some, Column::Scalars(Scalars::Bool(inner.clone())), layout)?;
            return self.write(group, name, *values, &holes.with_holes(inner));
        }
        self.write(group, &mask, Column::Scalars(Scalars::Bool(some)), layout)?;
        self.write(group, name, values, &holes)
    }

    /// An `ndarray` array: arrays of one shape are one dataset, others their items and their shapes.
    fn array(self, group: &Group, name: &str, fields: Fields, layout: &Layout) -> hdf5::Result<()> {
        let [_, dims, data] = <[_; 3]>::try_from(fields.members).map_err(|_| "an array has three members")?;
        // Of a table that grows, earlier rows decide: some may have differed where these agree, or these are none at all.
        let apart = self.storage.row_shape(group, &format!("{name}/shape")).is_some();
        let known =
            || self.storage.row_shape(group, name).map(|shape| shape[layout.dims.len() - 1..].to_vec());
        let shape = common_shape(&dims.values).or_else(known).filter(|_| !apart);
        let items = match (shape, data.values) {
            (Some(shape), Column::Sequence { lengths: Lengths::Equal { .. }, items }) => {
                let layout = shape.iter().fold(layout.clone(), |layout, length| layout.with_axis(*length));
                return self.write(group, name, *items, &layout);
            }
            (_, items) => items,
        };
        let inner = group.create_group(name)?;
        text_attribute(&inner, ENCODING, "ndarray")?;
        self.write(&inner, "shape", dims.values, layout)?;
        self.write(&inner, "data", items, layout)
    }

    fn variants(self, group: &Group, name: &str, variants: Variants, layout: &Layout) -> hdf5::Result<()> {
        let Variants { codes, names, data } = variants;
        if data.is_empty() {
            return self.codes(group, name, codes, names, layout);
        }
        let inner = group.create_group(name)?;
        text_attribute(&inner, ENCODING, "enum")?;
        let name_of = |index: &u32| names.get(index).copied().unwrap_or_default();
        let carriers = inner.create_group("data")?;
        for (index, variant) in data {
            let carrier = carriers.create_group(name_of(&index))?;
            let rows = layout.cells_of(variant.rows);
            self.storage.fixed(&carrier, "rows", &[rows.len()], &rows)?;
            self.write(&carrier, "value", variant.values, &Layout::rows(rows.len(), None))?;
        }
        self.codes(&inner, "variant", codes, names, layout)
    }

    /// The variants as an HDF5 enumeration of the narrowest width.
    fn codes(
        self,
        group: &Group,
        name: &str,
        codes: Vec<u32>,
        names: std::collections::BTreeMap<u32, &'static str>,
        layout: &Layout,
    ) -> hdf5::Result<()> {
        let narrow = names.keys().all(|index| *index < u8::MAX.into());
        let absent = if narrow { u8::MAX.into() } else { u32::MAX };
        let codes = layout.spread(codes, absent);
        let mut names: Vec<(u32, &str)> = names.into_iter().collect();
        if layout.has_holes() {
            names.push((absent, "(absent)"));
        }
        if narrow {
            // Checked above: every index fits.
            let codes: Vec<u8> = codes.iter().map(|code| *code as u8).collect();
            let names: Vec<(u8, &str)> = names.iter().map(|(code, name)| (*code as u8, *name)).collect();
            return self.storage.codes(group, name, &layout.dims, &codes, &names).map(drop);
        }
        self.storage.codes(group, name, &layout.dims, &codes, &names).map(drop)
    }
}

fn kind(compound: Compound) -> &'static str {
    match compound {
        Compound::Struct(_) => "struct",
        Compound::Tuple => "tuple",
        Compound::Map => "map",
    }
}

/// Whether these are the members under which `ndarray` serialises its arrays.
fn is_array(fields: &Fields) -> bool {
    let [version, dims, data] = &fields.members[..] else { return false };
    let names = [&version.name, &dims.name, &data.name];
    fields.compound == Compound::Struct("Array")
        && names.iter().zip(["v", "dim", "data"]).all(|(name, expected)| *name == expected)
        && matches!(version.values, Column::Scalars(Scalars::U8(_)))
        && matches!(dims.values, Column::Sequence { .. })
        && matches!(data.values, Column::Sequence { .. })
}

/// The shape of all arrays, if they have one.
fn common_shape(dims: &Column) -> Option<Vec<usize>> {
    let Column::Sequence { lengths: Lengths::Equal { length, .. }, items } = dims else { return None };
    if *length == 0 {
        return Some(Vec::new());
    }
    let Column::Scalars(Scalars::U64(sizes)) = &**items else { return None };
    let mut shapes = sizes.chunks_exact(*length);
    let first = shapes.next()?;
    if !shapes.all(|shape| shape == first) {
        return None;
    }
    first.iter().map(|size| usize::try_from(*size).ok()).collect()
}

fn shape_attribute(at: &Location, shape: &[usize]) -> hdf5::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|length| *length as u64).collect();
    let attr = at.new_attr::<u64>().shape([shape.len()]).create("item_shape")?;
    attr.write_raw(&shape[..])
}
