//! The serde serializer that appends one row to a [`Column`].
//!
//! It never refuses a value: what does not fit the column turns that column into JSON
//! ([`Column::conflict`]) and the rest of the value is passed over, for the rows are appended anew then.

use serde::{Serialize, Serializer, ser};

use crate::column::{Column, Compound, Fields, Variants};
use crate::lengths::Lengths;
use crate::members::Members;
use crate::scalars::{Scalar, Scalars};
use crate::texts::Texts;

/// The longest tuple serde knows: anything longer is an array, and need not be looked at member by member.
const TUPLE_LENGTH_MAX: usize = 16;

/// What a type's own `Serialize` complained about.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AppendError(String);

impl ser::Error for AppendError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Appends one row to a column that is not JSON.
pub(crate) struct Appender<'c> {
    column: &'c mut Column,
    conflicts: &'c mut usize,
}

impl<'c> Appender<'c> {
    pub(crate) fn new(column: &'c mut Column, conflicts: &'c mut usize) -> Self {
        Self { column, conflicts }
    }

    fn scalar<T: Scalar>(self, value: T) -> Result<(), AppendError> {
        match self.column {
            Column::Scalars(scalars) => {
                if scalars.push(value).is_err() {
                    self.column.conflict(self.conflicts);
                }
            }
            Column::Unset => *self.column = Column::Scalars(T::column(vec![value])),
            _ => self.column.conflict(self.conflicts),
        }
        Ok(())
    }

    /// 128-bit integers have no HDF5 type: JSON keeps all their digits.
    fn oversized(self) -> Result<(), AppendError> {
        self.column.conflict(self.conflicts);
        Ok(())
    }

    fn sequence(self) -> Members<'c> {
        if matches!(self.column, Column::Unset) {
            *self.column = Column::Sequence { lengths: Lengths::default(), items: Box::default() };
        }
        if !matches!(self.column, Column::Sequence { .. }) {
            self.column.conflict(self.conflicts);
            return Members::Ignored;
        }
        let Column::Sequence { lengths, items } = self.column else { return Members::Ignored };
        Members::Items { lengths, items, count: 0, conflicts: self.conflicts }
    }

    fn fields(self, compound: Compound) -> Members<'c> {
        if matches!(self.column, Column::Unset) {
            *self.column = Column::Fields(Fields::new(compound));
        }
        match self.column {
            Column::Fields(fields) if fields.compound == compound => {
                Members::named(self.column, self.conflicts)
            }
            column => {
                column.conflict(self.conflicts);
                Members::Ignored
            }
        }
    }

    fn tuple(self, length: usize) -> Members<'c> {
        match self.column {
            Column::Sequence { .. } => self.sequence(),
            Column::Unset if length == 0 || length > TUPLE_LENGTH_MAX => self.sequence(),
            _ => self.fields(Compound::Tuple),
        }
    }

    /// Notes the row's variant and hands out the column for its data, if it carries any.
    fn variant(self, index: u32, name: &'static str, carries: bool) -> Option<Appender<'c>> {
        if matches!(self.column, Column::Unset) {
            *self.column = Column::Variants(Variants::default());
        }
        let known = match self.column {
            Column::Variants(variants) => variants.admit(index, name),
            _ => false,
        };
        if !known {
            self.column.conflict(self.conflicts);
            return None;
        }
        let Column::Variants(variants) = self.column else { return None };
        let row = variants.codes.len();
        variants.codes.push(index);
        carries.then(|| {
            let data = variants.data.entry(index).or_default();
            data.rows.push(row);
            Appender { column: &mut data.values, conflicts: self.conflicts }
        })
    }

    /// The members of a tuple or struct variant. Their column may have become JSON before; what comes in
    /// parts cannot be appended to that, so it gives up all shape and is a column of JSON from its start.
    fn variant_members(
        self,
        index: u32,
        name: &'static str,
        start: impl FnOnce(Appender<'c>) -> Members<'c>,
    ) -> Members<'c> {
        let is_json = |column: &Column| match column {
            Column::Variants(variants) => {
                variants.data.get(&index).is_some_and(|data| matches!(data.values, Column::Json(_)))
            }
            _ => false,
        };
        if is_json(self.column) {
            self.column.conflict(self.conflicts);
            return Members::Ignored;
        }
        self.variant(index, name, true).map_or(Members::Ignored, start)
    }
}

impl<'c> Serializer for Appender<'c> {
    type Ok = ();
    type Error = AppendError;
    type SerializeSeq = Members<'c>;
    type SerializeTuple = Members<'c>;
    type SerializeTupleStruct = Members<'c>;
    type SerializeTupleVariant = Members<'c>;
    type SerializeMap = Members<'c>;
    type SerializeStruct = Members<'c>;
    type SerializeStructVariant = Members<'c>;

    fn serialize_bool(self, v: bool) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_i8(self, v: i8) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_i16(self, v: i16) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_i32(self, v: i32) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_i64(self, v: i64) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_i128(self, _: i128) -> Result<(), AppendError> {
        self.oversized()
    }
    fn serialize_u8(self, v: u8) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_u16(self, v: u16) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_u32(self, v: u32) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_u64(self, v: u64) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_u128(self, _: u128) -> Result<(), AppendError> {
        self.oversized()
    }
    fn serialize_f32(self, v: f32) -> Result<(), AppendError> {
        self.scalar(v)
    }
    fn serialize_f64(self, v: f64) -> Result<(), AppendError> {
        self.scalar(v)
    }

    fn serialize_char(self, v: char) -> Result<(), AppendError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Result<(), AppendError> {
        if matches!(self.column, Column::Unset) {
            *self.column = Column::Text(Texts::default());
        }
        match self.column {
            Column::Text(texts) => texts.push(v),
            column => column.conflict(self.conflicts),
        }
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), AppendError> {
        if let Members::Items { lengths, items, conflicts, .. } = self.sequence() {
            lengths.push(v.len());
            match items {
                Column::Unset => *items = Column::Scalars(Scalars::U8(v.to_vec())),
                Column::Scalars(Scalars::U8(values)) => values.extend_from_slice(v),
                _ => v.iter().try_for_each(|byte| items.append(byte, conflicts))?,
            }
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), AppendError> {
        match self.column {
            Column::Unset => *self.column = Column::Optional { some: vec![false], values: Box::default() },
            Column::Optional { some, .. } => some.push(false),
            column => column.conflict(self.conflicts),
        }
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), AppendError> {
        if matches!(self.column, Column::Unset) {
            *self.column = Column::Optional { some: Vec::new(), values: Box::default() };
        }
        match self.column {
            Column::Optional { some, values } => {
                some.push(true);
                values.append(value, self.conflicts)?;
            }
            column => column.conflict(self.conflicts),
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), AppendError> {
        match self.column {
            Column::Unset => *self.column = Column::Unit(1),
            Column::Unit(rows) => *rows += 1,
            column => column.conflict(self.conflicts),
        }
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), AppendError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, i: u32, name: &'static str) -> Result<(), AppendError> {
        self.variant(i, name, false);
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        match self.variant(index, name, true) {
            Some(data) => data.column.append(value, data.conflicts),
            None => Ok(()),
        }
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'c>, AppendError> {
        Ok(self.sequence())
    }

    fn serialize_tuple(self, length: usize) -> Result<Members<'c>, AppendError> {
        Ok(self.tuple(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Members<'c>, AppendError> {
        Ok(self.tuple(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Members<'c>, AppendError> {
        Ok(self.variant_members(index, name, |data| data.tuple(length)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'c>, AppendError> {
        Ok(self.fields(Compound::Map))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'c>, AppendError> {
        Ok(self.fields(Compound::Struct(name)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Members<'c>, AppendError> {
        Ok(self.variant_members(index, name, |data| data.fields(Compound::Struct(name))))
    }
}
