//! The leaves of a column: one vector of numbers or truth values, of one type for all rows.
//!
//! The type is that of the first value. Rust's types rarely mix, but untagged enums and
//! `serde_json::Value` do (`1`, then `2.5`): then the vector moves to a wider type, and only if every
//! value it holds keeps its exact value. Otherwise the caller is told, and stores the rows as JSON.

/// A value that does not fit the column it was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfit;

/// A number on its way from one type to another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Integer(i128),
    Float(f64),
}

/// What a vector of [`Scalars`] can hold.
pub(crate) trait Scalar: Copy + hdf5::H5Type {
    /// What stands in a row that has no value: NaN for floats, 0 for integers, false.
    const ABSENT: Self;
    /// The vector of this type, if that is what `scalars` holds.
    fn values(scalars: &mut Scalars) -> Option<&mut Vec<Self>>;
    /// A new column of this type.
    fn column(values: Vec<Self>) -> Scalars;
    /// The value as a number; none for truth values, which never mix with numbers.
    fn number(self) -> Option<Number>;
}

macro_rules! scalars {
    ($($variant:ident($type:ty), $absent:expr, $number:expr;)*) => {
        /// One vector of values of one type.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Scalars { $($variant(Vec<$type>)),* }

        $(impl Scalar for $type {
            const ABSENT: Self = $absent;
            fn values(scalars: &mut Scalars) -> Option<&mut Vec<Self>> {
                match scalars { Scalars::$variant(values) => Some(values), _ => None }
            }
            fn column(values: Vec<Self>) -> Scalars { Scalars::$variant(values) }
            fn number(self) -> Option<Number> { let number: fn($type) -> Option<Number> = $number; number(self) }
        })*

        impl Scalars {
            /// The type's name.
            pub(crate) fn kind(&self) -> &'static str {
                match self { $(Scalars::$variant(_) => stringify!($type)),* }
            }
        }

        /// Runs `$body` with `$values` bound to the vector, whatever its type.
        macro_rules! with_values {
            ($scalars:expr, $values:ident => $body:expr) => {
                match $scalars { $($crate::scalars::Scalars::$variant($values) => $body),* }
            };
        }
        pub(crate) use with_values;
    };
}

scalars! {
    Bool(bool), false, |_| None;
    I8(i8), 0, |v| Some(Number::Integer(v.into()));
    I16(i16), 0, |v| Some(Number::Integer(v.into()));
    I32(i32), 0, |v| Some(Number::Integer(v.into()));
    I64(i64), 0, |v| Some(Number::Integer(v.into()));
    U8(u8), 0, |v| Some(Number::Integer(v.into()));
    U16(u16), 0, |v| Some(Number::Integer(v.into()));
    U32(u32), 0, |v| Some(Number::Integer(v.into()));
    U64(u64), 0, |v| Some(Number::Integer(v.into()));
    F32(f32), f32::NAN, |v| Some(Number::Float(v.into()));
    F64(f64), f64::NAN, |v| Some(Number::Float(v));
}

impl Number {
    fn to_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => value.try_into().ok(),
            Self::Float(_) => None,
        }
    }

    fn to_u64(self) -> Option<u64> {
        match self {
            Self::Integer(value) => value.try_into().ok(),
            Self::Float(_) => None,
        }
    }

    fn to_f64(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            Self::Integer(value) => Some(value as f64).filter(|float| *float as i128 == value),
        }
    }
}

impl Scalars {
    /// Appends one value, widening the column if that loses nothing.
    pub(crate) fn push<T: Scalar>(&mut self, value: T) -> Result<(), Misfit> {
        if let Some(values) = T::values(self) {
            values.push(value);
            return Ok(());
        }
        let number = value.number().ok_or(Misfit)?;
        // A column that was widened before takes what fits it without another look at its rows.
        let taken = match self {
            Self::I64(values) => number.to_i64().map(|value| values.push(value)),
            Self::U64(values) => number.to_u64().map(|value| values.push(value)),
            Self::F64(values) => number.to_f64().map(|value| values.push(value)),
            _ => None,
        };
        match taken {
            Some(()) => Ok(()),
            None => self.widen(number),
        }
    }

    /// Moves to the narrowest 64-bit type that holds every value and `next` exactly, and appends it.
    fn widen(&mut self, next: Number) -> Result<(), Misfit> {
        let numbers: Option<Vec<Number>> =
            with_values!(&*self, values => values.iter().map(|value| value.number()).collect());
        let mut numbers = numbers.ok_or(Misfit)?;
        numbers.push(next);
        let widened = if let Some(values) = numbers.iter().map(|n| n.to_i64()).collect() {
            Self::I64(values)
        } else if let Some(values) = numbers.iter().map(|n| n.to_u64()).collect() {
            Self::U64(values)
        } else if let Some(values) = numbers.iter().map(|n| n.to_f64()).collect() {
            Self::F64(values)
        } else {
            return Err(Misfit);
        };
        *self = widened;
        Ok(())
    }

    /// Appends another column of the same type; false, and nothing appended, if it is of another one.
    pub(crate) fn append(&mut self, other: &Self) -> bool {
        with_values!(other, values => extend(self, values))
    }

    /// Whether both hold the same type.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// No values, of the same type.
    pub(crate) fn hollow(&self) -> Self {
        fn none<T: Scalar>(_: &[T]) -> Scalars {
            T::column(Vec::new())
        }
        with_values!(self, values => none(values))
    }
}

fn extend<T: Scalar>(scalars: &mut Scalars, more: &[T]) -> bool {
    T::values(scalars).map(|values| values.extend_from_slice(more)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_every_value() {
        let mut scalars = Scalars::U8(vec![7]);
        scalars.push(-1i16).unwrap();
        assert_eq!(scalars, Scalars::I64(vec![7, -1]));
        scalars.push(0.5f32).unwrap();
        scalars.push(3u8).unwrap();
        assert_eq!(scalars, Scalars::F64(vec![7.0, -1.0, 0.5, 3.0]));
        let mut large = Scalars::I32(vec![1]);
        large.push(u64::MAX).unwrap();
        assert_eq!(large, Scalars::U64(vec![1, u64::MAX]));
    }

    #[test]
    fn what_would_lose_digits_is_refused() {
        let mut exact = Scalars::I64(vec![(1 << 53) + 1]);
        assert_eq!(exact.push(0.5f64), Err(Misfit));
        assert_eq!(exact, Scalars::I64(vec![(1 << 53) + 1]));
        let mut unsigned = Scalars::U64(vec![u64::MAX]);
        assert_eq!(unsigned.push(-1i8), Err(Misfit));
        assert_eq!(Scalars::Bool(vec![true]).push(1u8), Err(Misfit));
        assert_eq!(Scalars::U8(vec![1]).push(true), Err(Misfit));
    }
}
