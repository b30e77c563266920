//! Values that have no column of their own, as JSON text.
//!
//! The forms are those of `serde_json`, with three additions so that no value is lost or refused: floats
//! that are no numbers are written `NaN`, `Infinity` and `-Infinity` (as Python's `json` reads and writes
//! them), integers have all their digits, and a map whose keys are not scalars is a list of pairs.

use std::fmt::Write as _;

use serde::{Serialize, Serializer, ser};

use crate::appender::AppendError;

/// Writes one value to the end of a string.
pub(crate) struct JsonWriter<'w> {
    out: &'w mut String,
}

/// The parts of a list or an object.
pub(crate) struct JsonMembers<'w> {
    out: &'w mut String,
    first: bool,
    close: &'static str,
}

/// The entries of a map, kept until it is known what kind of keys it has.
pub(crate) struct JsonMap<'w> {
    out: &'w mut String,
    entries: Vec<(String, String)>,
    key: String,
}

impl<'w> JsonWriter<'w> {
    pub(crate) fn new(out: &'w mut String) -> Self {
        Self { out }
    }

    fn display(self, value: impl std::fmt::Display) -> Result<(), AppendError> {
        write!(self.out, "{value}").map_err(ser::Error::custom)
    }

    fn float(self, value: f64, text: impl std::fmt::Debug) -> Result<(), AppendError> {
        if value.is_nan() {
            self.display("NaN")
        } else if value.is_infinite() {
            self.display(if value > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            self.display(format_args!("{text:?}"))
        }
    }

    fn members(self, open: &str, close: &'static str) -> JsonMembers<'w> {
        self.out.push_str(open);
        JsonMembers { out: self.out, first: true, close }
    }

    /// `{"NAME":`, to be closed by `}`.
    fn tag(&mut self, name: &str) {
        self.out.push('{');
        text(self.out, name);
        self.out.push(':');
    }
}

/// Writes a string with its quotes.
fn text(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                for part in ["\\u00", if u32::from(control) < 0x10 { "0" } else { "1" }] {
                    out.push_str(part);
                }
                out.extend(char::from_digit(u32::from(control) & 0xf, 16));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

macro_rules! display {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, v: $type) -> Result<(), AppendError> { self.display(v) })*
    };
}

impl<'w> Serializer for JsonWriter<'w> {
    type Ok = ();
    type Error = AppendError;
    type SerializeSeq = JsonMembers<'w>;
    type SerializeTuple = JsonMembers<'w>;
    type SerializeTupleStruct = JsonMembers<'w>;
    type SerializeTupleVariant = JsonMembers<'w>;
    type SerializeMap = JsonMap<'w>;
    type SerializeStruct = JsonMembers<'w>;
    type SerializeStructVariant = JsonMembers<'w>;

    display! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
    }

    fn serialize_f32(self, v: f32) -> Result<(), AppendError> {
        self.float(v.into(), v)
    }
    fn serialize_f64(self, v: f64) -> Result<(), AppendError> {
        self.float(v, v)
    }
    fn serialize_char(self, v: char) -> Result<(), AppendError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), AppendError> {
        text(self.out, v);
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), AppendError> {
        v.serialize(self)
    }
    fn serialize_none(self) -> Result<(), AppendError> {
        self.serialize_unit()
    }
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), AppendError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), AppendError> {
        self.display("null")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), AppendError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), AppendError> {
        self.serialize_str(name)
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), AppendError> {
        self.tag(name);
        value.serialize(JsonWriter { out: self.out })?;
        self.out.push('}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<JsonMembers<'w>, AppendError> {
        Ok(self.members("[", "]"))
    }
    fn serialize_tuple(self, _: usize) -> Result<JsonMembers<'w>, AppendError> {
        Ok(self.members("[", "]"))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<JsonMembers<'w>, AppendError> {
        Ok(self.members("[", "]"))
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<JsonMembers<'w>, AppendError> {
        self.tag(name);
        Ok(self.members("[", "]}"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<JsonMap<'w>, AppendError> {
        Ok(JsonMap { out: self.out, entries: Vec::new(), key: String::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<JsonMembers<'w>, AppendError> {
        Ok(self.members("{", "}"))
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<JsonMembers<'w>, AppendError> {
        self.tag(name);
        Ok(self.members("{", "}}"))
    }
}

impl JsonMembers<'_> {
    fn next<T: ?Sized + Serialize>(&mut self, name: Option<&str>, value: &T) -> Result<(), AppendError> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
        if let Some(name) = name {
            text(self.out, name);
            self.out.push(':');
        }
        value.serialize(JsonWriter { out: self.out })
    }

    fn finish(self) -> Result<(), AppendError> {
        self.out.push_str(self.close);
        Ok(())
    }
}

macro_rules! list {
    ($($trait:ident::$method:ident)*) => {
        $(impl ser::$trait for JsonMembers<'_> {
            type Ok = ();
            type Error = AppendError;
            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
                self.next(None, value)
            }
            fn end(self) -> Result<(), AppendError> {
                self.finish()
            }
        })*
    };
}

macro_rules! object {
    ($($trait:ident)*) => {
        $(impl ser::$trait for JsonMembers<'_> {
            type Ok = ();
            type Error = AppendError;
            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), AppendError> {
                self.next(Some(name), value)
            }
            fn end(self) -> Result<(), AppendError> {
                self.finish()
            }
        })*
    };
}

list! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}
object! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for JsonMap<'_> {
    type Ok = ();
    type Error = AppendError;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), AppendError> {
        self.key.clear();
        key.serialize(JsonWriter { out: &mut self.key })
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), AppendError> {
        let mut json = String::new();
        value.serialize(JsonWriter { out: &mut json })?;
        self.entries.push((std::mem::take(&mut self.key), json));
        Ok(())
    }

    fn end(self) -> Result<(), AppendError> {
        let pairs = self.entries.iter().any(|(key, _)| key.starts_with(['[', '{']));
        self.out.push(if pairs { '[' } else { '{' });
        for (index, (key, value)) in self.entries.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            let quote = if pairs || key.starts_with('"') { "" } else { "\"" };
            let written = if pairs {
                write!(self.out, "[{key},{value}]")
            } else {
                write!(self.out, "{quote}{key}{quote}:{value}")
            };
            written.map_err(<AppendError as ser::Error>::custom)?;
        }
        self.out.push(if pairs { ']' } else { '}' });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn json<T: Serialize>(value: T) -> String {
        let mut out = String::new();
        value.serialize(JsonWriter::new(&mut out)).unwrap();
        out
    }

    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Segment(u8, u8),
        Box { width: Option<u8>, height: Option<u8> },
    }

    #[test]
    fn the_forms_are_those_of_serde_json() {
        let shapes = [
            Shape::Point,
            Shape::Circle(0.1),
            Shape::Segment(1, 2),
            Shape::Box { width: Some(1), height: None },
        ];
        assert_eq!(json(&shapes), serde_json::to_string(&shapes).unwrap());
        let strings = ("tab\t \"quoted\" \u{1}\u{1f} ü\\ \n\r", 'x', true, (), 1.5e-7, -7i64, 0.1f32, b"ab");
        assert_eq!(json(strings), serde_json::to_string(&strings).unwrap());
        let numbered = BTreeMap::from([(2, "b"), (10, "a")]);
        assert_eq!(json(&numbered), serde_json::to_string(&numbered).unwrap());
    }

    #[test]
    fn what_serde_json_refuses_or_loses_is_kept() {
        assert_eq!(json([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), "[NaN,Infinity,-Infinity]");
        assert_eq!(json(u128::MAX), u128::MAX.to_string());
        assert_eq!(json(BTreeMap::from([((1, 2), "x")])), r#"[[[1,2],"x"]]"#);
    }
}
