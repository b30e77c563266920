//! A column: the values of many rows, taken apart by their shape.
//!
//! Rows of any serde type are appended one by one ([`Column::append`]); the shape is learnt from the
//! rows themselves. A struct becomes a column per field, a sequence one column of all its items and the
//! lengths of the rows, an option a mask and a column of those that are there. Where rows do not agree
//! on a shape (a map whose keys change, a number where text was) only that place becomes JSON text.
//!
//! The rows seen before such a disagreement are gone by then, so [`Column::fill`] walks the rows a
//! second time, now knowing where the JSON goes. That is the exception: rows of one Rust type agree.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::appender::{AppendError, Appender};
use crate::json::JsonWriter;
use crate::lengths::Lengths;
use crate::scalars::Scalars;
use crate::texts::Texts;

/// The passes over the rows before the whole column gives up its shape. One suffices for rows of one
/// shape, two where a shape changed; more are needed only by types that serialise differently each time.
const PASSES_MAX: usize = 4;

/// The values of many rows. Rows without a value are not in it: whoever holds the column knows which.
#[derive(Clone, Debug, Default)]
pub(crate) enum Column {
    /// No row has been seen.
    #[default]
    Unset,
    /// Rows of `()` or a unit struct: there is nothing to store but their number.
    Unit(usize),
    /// Numbers or truth values.
    Scalars(Scalars),
    /// Strings and characters.
    Text(Texts),
    /// Options: which rows are `Some`, and the values of those.
    Optional { some: Vec<bool>, values: Box<Column> },
    /// Vectors, arrays, slices, bytes: all items of all rows, one after the other.
    Sequence { lengths: Lengths, items: Box<Column> },
    /// Structs, tuples of unlike members, maps with the same text keys in all rows.
    Fields(Fields),
    /// Enums.
    Variants(Variants),
    /// Rows that have no common shape, as JSON.
    Json(Texts),
}

/// What kind of value has named (or numbered) members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compound {
    Struct(&'static str),
    Tuple,
    Map,
}

/// The members of a struct, tuple or map, a column each.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) compound: Compound,
    pub(crate) members: Vec<Member>,
    /// Set by the end of the first row: from then on every row must have the same members.
    pub(crate) complete: bool,
}

/// One member and its values.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) values: Column,
}

/// The rows of an enum.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variants {
    /// Per row, the index of its variant.
    pub(crate) codes: Vec<u32>,
    /// The variants seen.
    pub(crate) names: BTreeMap<u32, &'static str>,
    /// The data of the variants that carry any.
    pub(crate) data: BTreeMap<u32, VariantData>,
}

/// The data of one variant: the rows that are of it, and their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct VariantData {
    pub(crate) rows: Vec<usize>,
    pub(crate) values: Column,
}

impl Column {
    /// The column of all `rows`, which go on where this one, without rows itself, was left. An error tells which row could not
    /// be serialised, and why.
    pub(crate) fn fill<T: Serialize>(
        self,
        rows: impl Iterator<Item = (usize, T)> + Clone,
    ) -> Result<Self, (usize, AppendError)> {
        let mut column = self;
        for pass in 1..=PASSES_MAX {
            let mut conflicts = 0;
            for (index, row) in rows.clone() {
                column.append(&row, &mut conflicts).map_err(|error| (index, error))?;
            }
            conflicts += column.settle();
            if conflicts == 0 {
                break;
            }
            column = column.hollow();
            if pass + 1 == PASSES_MAX {
                column = Self::Json(Texts::default());
            }
        }
        Ok(column)
    }

    /// Appends one row. A row that does not fit turns the place where it does not into JSON, and counts
    /// as a conflict: the rows must then be appended anew.
    pub(crate) fn append<T: Serialize + ?Sized>(
        &mut self,
        row: &T,
        conflicts: &mut usize,
    ) -> Result<(), AppendError> {
        if let Self::Json(texts) = self {
            row.serialize(JsonWriter::new(texts.open_row()))?;
            texts.finish_row();
            return Ok(());
        }
        row.serialize(Appender::new(self, conflicts))
    }

    /// Gives up this column's shape.
    pub(crate) fn conflict(&mut self, conflicts: &mut usize) {
        *self = Self::Json(Texts::default());
        *conflicts += 1;
    }

    /// Turns into JSON what HDF5 has no natural place for, now that all rows are known. Returns how many
    /// places that were.
    fn settle(&mut self) -> usize {
        let (mut settled, natural) = match self {
            Self::Unset | Self::Unit(_) | Self::Scalars(_) | Self::Json(_) => (0, true),
            Self::Text(texts) => (0, !texts.has_nul()),
            Self::Optional { values, .. } => (values.settle(), true),
            Self::Sequence { lengths, items } => {
                let settled = items.settle();
                (settled, lengths.equal().is_some() || items.is_plain())
            }
            Self::Fields(fields) => {
                let settled = fields.members.iter_mut().map(|member| member.values.settle()).sum::<usize>();
                if fields.is_array(true) {
                    // The first row did not show it: some member was empty there.
                    *self = Self::Sequence { lengths: Lengths::default(), items: Box::default() };
                    return settled + 1;
                }
                (settled, true)
            }
            Self::Variants(variants) => {
                let settled = variants.data.values_mut().map(|data| data.values.settle()).sum();
                (settled, variants.names.values().all(|name| is_link_name(name)))
            }
        };
        if !natural {
            self.conflict(&mut settled);
        }
        settled
    }

    /// Whether every row is a fixed number of scalars: what variable-length data can be made of.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Scalars(_) => true,
            Self::Sequence { lengths, items } => lengths.equal().is_some() && items.is_plain(),
            Self::Fields(fields) => fields.members.iter().all(|member| member.values.is_plain()),
            _ => false,
        }
    }

    /// A column of the same shape without rows.
    pub(crate) fn hollow(&self) -> Self {
        match self {
            Self::Unset => Self::Unset,
            Self::Unit(_) => Self::Unit(0),
            Self::Scalars(scalars) => Self::Scalars(scalars.hollow()),
            Self::Text(_) => Self::Text(Texts::default()),
            Self::Json(_) => Self::Json(Texts::default()),
            Self::Optional { values, .. } => {
                Self::Optional { some: Vec::new(), values: Box::new(values.hollow()) }
            }
            Self::Sequence { lengths, items } => {
                Self::Sequence { lengths: lengths.hollow(), items: Box::new(items.hollow()) }
            }
            Self::Fields(fields) => Self::Fields(fields.hollow()),
            Self::Variants(variants) => Self::Variants(variants.hollow()),
        }
    }

    /// What its rows are made of, in words that are the same for rows of one type: names and kinds, in their order, without lengths.
    pub(crate) fn signature(&self) -> String {
        match self {
            Self::Unset => "?".to_owned(),
            Self::Unit(_) => "()".to_owned(),
            Self::Scalars(scalars) => scalars.kind().to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Json(_) => "json".to_owned(),
            Self::Optional { values, .. } => format!("option<{}>", values.signature()),
            Self::Sequence { items, .. } => format!("[{}]", items.signature()),
            Self::Fields(fields) => {
                let member = |member: &Member| format!("{}: {}", member.name, member.values.signature());
                format!("{{{}}}", fields.members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
            Self::Variants(variants) => {
                let variant = |(index, name): (&u32, &&str)| match variants.data.get(index) {
                    Some(data) => format!("{name}({})", data.values.signature()),
                    None => (*name).to_owned(),
                };
                variants.names.iter().map(variant).collect::<Vec<_>>().join(" | ")
            }
        }
    }

    /// Whether every dataset of it has a row (or rows of one number) per row of the column, so that rows can be added.
    pub(crate) fn grows(&self) -> bool {
        match self {
            Self::Unset | Self::Unit(_) | Self::Scalars(_) | Self::Text(_) | Self::Json(_) => true,
            Self::Optional { values, .. } => values.grows(),
            Self::Sequence { items, .. } => items.grows(),
            Self::Fields(fields) => fields.members.iter().all(|member| member.values.grows()),
            Self::Variants(variants) => variants.data.is_empty(),
        }
    }

    /// Whether rows of one could be rows of the other. What no row has shown yet has no shape: it may
    /// count as the same as any (`lenient`), or as none.
    fn same_shape(&self, other: &Self, lenient: bool) -> bool {
        match (self, other) {
            (Self::Unset, _) | (_, Self::Unset) => lenient,
            (Self::Scalars(one), Self::Scalars(two)) => one.same_type(two),
            (Self::Text(_), Self::Text(_)) | (Self::Unit(_), Self::Unit(_)) => true,
            (Self::Sequence { items: one, .. }, Self::Sequence { items: two, .. })
            | (Self::Optional { values: one, .. }, Self::Optional { values: two, .. }) => {
                one.same_shape(two, lenient)
            }
            (Self::Fields(one), Self::Fields(two)) => {
                one.compound == two.compound
                    && one.members.len() == two.members.len()
                    && one
                        .members
                        .iter()
                        .zip(&two.members)
                        .all(|(a, b)| a.name == b.name && a.values.same_shape(&b.values, lenient))
            }
            _ => false,
        }
    }

    /// Appends the rows of a column of the same shape.
    fn append_rows(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalars(one), Self::Scalars(two)) => {
                one.append(two);
            }
            (Self::Text(one), Self::Text(two)) => one.append(two),
            (Self::Unit(one), Self::Unit(two)) => *one += two,
            (Self::Sequence { lengths, items }, Self::Sequence { lengths: more, items: others }) => {
                lengths.append(more);
                items.append_rows(others);
            }
            (Self::Optional { some, values }, Self::Optional { some: more, values: others }) => {
                some.extend(more);
                values.append_rows(others);
            }
            (Self::Fields(one), Self::Fields(two)) => {
                for (member, other) in one.members.iter_mut().zip(&two.members) {
                    member.values.append_rows(&other.values);
                }
            }
            (one, two) => unreachable!("{one:?} and {two:?} were found to be of one shape"),
        }
    }
}

impl Fields {
    pub(crate) fn new(compound: Compound) -> Self {
        Self { compound, members: Vec::new(), complete: false }
    }

    fn hollow(&self) -> Self {
        let member = |member: &Member| Member { name: member.name.clone(), values: member.values.hollow() };
        Self { members: self.members.iter().map(member).collect(), ..*self }
    }

    /// The place of a row's member number `count`. Rows usually name their members in one order, so that
    /// place is tried first; maps may differ from row to row. None if the row has no place for it.
    pub(crate) fn place(&mut self, count: usize, name: &str) -> Option<usize> {
        if self.members.get(count).is_some_and(|member| member.name == name) {
            return Some(count);
        }
        let found = self.members.iter().position(|member| member.name == name);
        if found.is_none() && !self.complete && is_link_name(name) {
            self.members.push(Member { name: name.to_owned(), values: Column::Unset });
            return Some(self.members.len() - 1);
        }
        found
    }

    /// Whether this is a tuple whose members all have one shape: an array, then.
    fn is_array(&self, lenient: bool) -> bool {
        let alike = |(index, one): (usize, &Member)| {
            self.members[..index].iter().all(|two| one.values.same_shape(&two.values, lenient))
        };
        self.compound == Compound::Tuple && self.members.iter().enumerate().all(alike)
    }

    /// After its first row, a tuple may turn out to be an array, and be better kept as one column of items
    /// than as a column per member.
    pub(crate) fn as_array(&self) -> Option<Column> {
        let (first, others) = self.members.split_first()?;
        // Members that no row has shown are not alike, not even one on its own.
        if !self.is_array(false) || !first.values.same_shape(&first.values, false) {
            return None;
        }
        let mut items = first.values.clone();
        for member in others {
            items.append_rows(&member.values);
        }
        let lengths = Lengths::Equal { length: self.members.len(), rows: 1 };
        Some(Column::Sequence { lengths, items: Box::new(items) })
    }
}

impl Variants {
    fn hollow(&self) -> Self {
        let data = |(index, data): (&u32, &VariantData)| {
            (*index, VariantData { rows: Vec::new(), values: data.values.hollow() })
        };
        Self { codes: Vec::new(), names: self.names.clone(), data: self.data.iter().map(data).collect() }
    }

    /// Notes a variant. False if its index or its name belongs to another one: then the rows are of several
    /// enums, which an untagged one brought together.
    pub(crate) fn admit(&mut self, index: u32, name: &'static str) -> bool {
        if let Some(known) = self.names.get(&index) {
            return *known == name;
        }
        if self.names.values().any(|known| *known == name) {
            return false;
        }
        self.names.insert(index, name);
        true
    }
}

/// Whether a member can give its name to a dataset, and leave `NAME.is_some` to an option's mask.
fn is_link_name(name: &str) -> bool {
    !name.is_empty() && name != "." && !name.contains(['/', '\0']) && !name.ends_with(".is_some")
}

#[cfg(test)]
#[path = "column_tests.rs"]
mod tests;
