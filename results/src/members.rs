//! Values that come in parts (sequences, tuples, structs, maps), on their way into a column.

use serde::ser::{self, Impossible, Serialize, Serializer};

use crate::appender::AppendError;
use crate::column::Column;
use crate::lengths::Lengths;

/// The row being appended, part by part.
pub(crate) enum Members<'c> {
    /// Items of a sequence: the items of all rows are one column.
    Items { lengths: &'c mut Lengths, items: &'c mut Column, count: usize, conflicts: &'c mut usize },
    /// Members of a struct, tuple or map: a column each.
    Named {
        column: &'c mut Column,
        count: usize,
        /// Which members the row has named, kept once it names them in an order of its own.
        out_of_order: Vec<bool>,
        key: Option<String>,
        conflicts: &'c mut usize,
    },
    /// The column gave up its shape during this row: what is left of the row is passed over.
    Ignored,
}

impl<'c> Members<'c> {
    pub(crate) fn named(column: &'c mut Column, conflicts: &'c mut usize) -> Self {
        Self::Named { column, count: 0, out_of_order: Vec::new(), key: None, conflicts }
    }

    fn item<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        match self {
            Self::Items { items, count, conflicts, .. } => {
                *count += 1;
                items.append(value, conflicts)
            }
            Self::Named { column: Column::Fields(fields), count, conflicts, .. } if fields.complete => {
                let place = *count;
                *count += 1;
                match fields.members.get_mut(place) {
                    Some(member) => member.values.append(value, conflicts),
                    None => {
                        self.give_up();
                        Ok(())
                    }
                }
            }
            Self::Named { count, .. } => {
                let name = count.to_string();
                self.member(&name, value)
            }
            Self::Ignored => Ok(()),
        }
    }

    fn member<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), AppendError> {
        let Self::Named { column: Column::Fields(fields), count, out_of_order, conflicts, .. } = self else {
            return Ok(());
        };
        let place = fields.place(*count, name);
        // Members in another order than the first row's must still all be there, each once.
        let repeated = match place {
            Some(place) if place != *count || !out_of_order.is_empty() => {
                out_of_order.resize(fields.members.len(), false);
                if out_of_order.iter().all(|seen| !seen) {
                    out_of_order[..*count].fill(true);
                }
                std::mem::replace(&mut out_of_order[place], true)
            }
            _ => false,
        };
        match place.filter(|_| !repeated) {
            Some(place) => {
                *count += 1;
                fields.members[place].values.append(value, conflicts)
            }
            None => {
                self.give_up();
                Ok(())
            }
        }
    }

    fn give_up(&mut self) {
        if let Self::Named { column, conflicts, .. } = std::mem::replace(self, Self::Ignored) {
            column.conflict(conflicts);
        }
    }

    fn finish(self) -> Result<(), AppendError> {
        match self {
            Self::Items { lengths, count, .. } => lengths.push(count),
            Self::Named { column, count, conflicts, .. } => {
                let Column::Fields(fields) = &mut *column else { return Ok(()) };
                if count != fields.members.len() {
                    column.conflict(conflicts);
                } else if !std::mem::replace(&mut fields.complete, true)
                    && let Some(array) = fields.as_array()
                {
                    *column = array;
                }
            }
            Self::Ignored => {}
        }
        Ok(())
    }
}

impl ser::SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        self.item(value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeTuple for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        self.item(value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        self.item(value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        self.item(value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        self.member(name, value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Members<'_> {
    type Ok = ();
    type Error = AppendError;
    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        self.member(name, value)
    }
    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = AppendError;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, name: &T) -> Result<(), AppendError> {
        match (name.serialize(TextKey), &mut *self) {
            (Ok(text), Self::Named { key, .. }) => *key = Some(text),
            // Keys that are not text (or a type's own complaint, which JSON will then meet again).
            (Err(_), members) => members.give_up(),
            (Ok(_), _) => {}
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        let Self::Named { key, .. } = self else { return Ok(()) };
        match key.take() {
            Some(name) => self.member(&name, value),
            None => Err(ser::Error::custom("a map gave a value before its key")),
        }
    }

    fn end(self) -> Result<(), AppendError> {
        self.finish()
    }
}

/// Takes the text of a map's key, and nothing that is not text.
struct TextKey;

type NotText = Impossible<String, AppendError>;

fn not_text<T>() -> Result<T, AppendError> {
    Err(ser::Error::custom("the key is not text"))
}

macro_rules! refuse {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, _: $type) -> Result<String, AppendError> { not_text() })*
    };
}

impl Serializer for TextKey {
    type Ok = String;
    type Error = AppendError;
    type SerializeSeq = NotText;
    type SerializeTuple = NotText;
    type SerializeTupleStruct = NotText;
    type SerializeTupleVariant = NotText;
    type SerializeMap = NotText;
    type SerializeStruct = NotText;
    type SerializeStructVariant = NotText;

    refuse! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_f32(f32) serialize_f64(f64) serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_char(self, v: char) -> Result<String, AppendError> {
        Ok(v.to_string())
    }
    fn serialize_str(self, v: &str) -> Result<String, AppendError> {
        Ok(v.to_owned())
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<String, AppendError> {
        Ok(name.to_owned())
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, AppendError> {
        value.serialize(self)
    }
    fn serialize_none(self) -> Result<String, AppendError> {
        not_text()
    }
    fn serialize_some<T: ?Sized + Serialize>(self, _: &T) -> Result<String, AppendError> {
        not_text()
    }
    fn serialize_unit(self) -> Result<String, AppendError> {
        not_text()
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, AppendError> {
        not_text()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_tuple(self, _: usize) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<NotText, AppendError> {
        not_text()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<NotText, AppendError> {
        not_text()
    }
}
