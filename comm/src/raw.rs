//! Vectors of numbers as the bytes that they are: they are sent from where they lie, and received there.

use std::any::Any;

use phalanx_codec::Number;

macro_rules! numbers {
    ($visit:ident) => {
        $visit! { f64, f32, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize }
    };
}

/// The bytes of a vector of numbers, which are what the codec would make of it; `None` of anything else.
pub(crate) fn bytes<T: 'static>(value: &T) -> Option<&[u8]> {
    let value = value as &dyn Any;
    macro_rules! each {
        ($($t:ty),*) => { $( if let Some(v) = value.downcast_ref::<Vec<$t>>() { return Some(bytemuck::cast_slice(v)); } )* };
    }
    numbers!(each);
    None
}

/// A vector of numbers of so many bytes, to be filled; `None` of anything else, or if there is no memory for it, or no number of numbers that long.
pub(crate) fn zeroed<T: 'static>(len: u64) -> Option<T> {
    fn vector<N: Number, T: 'static>(len: u64) -> Option<T> {
        if std::any::TypeId::of::<Vec<N>>() != std::any::TypeId::of::<T>() {
            return None;
        }
        let len = usize::try_from(len).ok().filter(|len| len.is_multiple_of(size_of::<N>()))?;
        let mut made = Some(bytemuck::allocation::try_zeroed_vec::<N>(len / size_of::<N>()).ok()?);
        (&mut made as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take)
    }
    macro_rules! each {
        ($($t:ty),*) => { $( if let Some(v) = vector::<$t, T>(len) { return Some(v); } )* };
    }
    numbers!(each);
    None
}

/// Room for the bytes of a vector of numbers.
pub(crate) fn bytes_mut<T: 'static>(value: &mut T) -> Option<&mut [u8]> {
    let value = value as &mut dyn Any;
    macro_rules! each {
        ($($t:ty),*) => { $(
            if value.is::<Vec<$t>>() {
                return value.downcast_mut::<Vec<$t>>().map(|v| bytemuck::cast_slice_mut(v.as_mut_slice()));
            }
        )* };
    }
    numbers!(each);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_codec() {
        let numbers = vec![1.5_f64, -2.0];
        let mut encoded = Vec::new();
        phalanx_codec::encode(&numbers, &mut encoded).unwrap();
        assert_eq!(bytes(&numbers), Some(&encoded[..]));
        assert_eq!(bytes(&vec!["x".to_owned()]), None);
        assert_eq!(bytes(&1.5_f64), None);
    }

    #[test]
    fn room_is_made_for_vectors_of_numbers_only() {
        let mut made = zeroed::<Vec<u16>>(6).unwrap();
        assert_eq!(made, [0; 3]);
        bytes_mut(&mut made).unwrap()[2] = 7;
        assert_eq!(made, [0, 7, 0]);
        assert_eq!(zeroed::<Vec<u16>>(5), None);
        assert_eq!(zeroed::<Vec<u64>>(u64::MAX - 7), None);
        assert_eq!(zeroed::<String>(6), None);
        assert_eq!(bytes_mut(&mut String::new()), None);
    }
}
