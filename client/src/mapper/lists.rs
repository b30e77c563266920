//! Lists of arguments, and the tasks they make up.

use crate::codec::{self, CodecError, Value};

/// What a map runs over: a `Vec`, or a tuple of one to four of them, of one length.
pub trait ArgumentLists {
    /// The arguments of one call, as a tuple.
    type Task: Task;
    /// How long each list is.
    #[doc(hidden)]
    fn lengths(&self) -> Vec<usize>;
    /// The i-th elements of all lists, one i after the other.
    #[doc(hidden)]
    fn into_tasks(self) -> impl Iterator<Item = Self::Task>;
}

/// The arguments of one call: a tuple of one to four values.
pub trait Task: Sized + 'static {
    /// Appends its bytes.
    #[doc(hidden)]
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;
    /// The task whose bytes these are.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Result<Self, CodecError>;
}

impl<A: Value> ArgumentLists for Vec<A> {
    type Task = (A,);

    fn lengths(&self) -> Vec<usize> {
        vec![self.len()]
    }

    fn into_tasks(self) -> impl Iterator<Item = (A,)> {
        self.into_iter().map(|a| (a,))
    }
}

/// The only argument takes all the bytes, so that arrays travel as they lie.
impl<A: Value> Task for (A,) {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode(&self.0, out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        Ok((codec::decode(bytes)?,))
    }
}

impl<A: Value> ArgumentLists for (Vec<A>,) {
    type Task = (A,);

    fn lengths(&self) -> Vec<usize> {
        self.0.lengths()
    }

    fn into_tasks(self) -> impl Iterator<Item = (A,)> {
        self.0.into_tasks()
    }
}

macro_rules! impl_lists {
    ($($arg:ident $list:ident),*) => {
        impl<$($arg: Value),*> ArgumentLists for ($(Vec<$arg>,)*) {
            type Task = ($($arg,)*);

            fn lengths(&self) -> Vec<usize> {
                let ($($list,)*) = self;
                vec![$($list.len()),*]
            }

            fn into_tasks(self) -> impl Iterator<Item = Self::Task> {
                let ($($list,)*) = self;
                $(let mut $list = $list.into_iter();)*
                std::iter::from_fn(move || Some(($($list.next()?,)*)))
            }
        }

        /// Each argument stands behind its length.
        impl<$($arg: Value),*> Task for ($($arg,)*) {
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                let ($($list,)*) = self;
                $(put($list, out)?;)*
                Ok(())
            }

            fn decode(mut bytes: &[u8]) -> Result<Self, CodecError> {
                Ok(($(take::<$arg>(&mut bytes)?,)*))
            }
        }
    };
}

impl_lists!(A a, B b);
impl_lists!(A a, B b, C c);
impl_lists!(A a, B b, C c, D d);

fn put<T: Value>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    codec::encode(value, out)?;
    let len = (out.len() - at - 8) as u64;
    out[at..at + 8].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

fn take<T: Value>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    let short = || CodecError::Decode {
        type_name: std::any::type_name::<T>(),
        bytes: bytes.len(),
        message: "the arguments end before it".to_owned(),
    };
    let (len, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| short())?;
    let (value, rest) = rest.split_at_checked(len).ok_or_else(short)?;
    let value = codec::decode(value)?;
    *bytes = rest;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_i_th_task_has_the_i_th_elements() {
        let tasks: Vec<_> =
            (vec![1_u8, 2], vec!["a", "b"].into_iter().map(str::to_owned).collect::<Vec<_>>())
                .into_tasks()
                .collect();
        assert_eq!(tasks, [(1, "a".to_owned()), (2, "b".to_owned())]);
        assert_eq!(vec![7_i64, 8].into_tasks().collect::<Vec<_>>(), [(7,), (8,)]);
        assert_eq!((vec![7_i64],).into_tasks().collect::<Vec<_>>(), [(7,)]);
        assert_eq!(Vec::<u8>::new().into_tasks().count(), 0);
    }

    #[test]
    fn lists_tell_their_lengths() {
        assert_eq!(vec![1, 2].lengths(), [2]);
        assert_eq!((vec![1], vec![1.0; 3], vec![true], vec![0_u8; 2]).lengths(), [1, 3, 1, 2]);
    }

    #[test]
    fn tasks_come_out_as_they_went_in() {
        fn there_and_back<T: Task + PartialEq + std::fmt::Debug>(task: T) {
            let mut bytes = Vec::new();
            task.encode(&mut bytes).unwrap();
            assert_eq!(T::decode(&bytes).unwrap(), task);
        }
        there_and_back((vec![1.5_f64, 2.5],));
        there_and_back(((),));
        there_and_back((1_u8, vec![0.5_f64; 3]));
        there_and_back((vec![1_u8; 3], vec![0.5_f64; 3], "text".to_owned()));
        there_and_back(((), 1_u64, Some(2_i8), vec![3_u32]));
    }

    #[test]
    fn damaged_tasks_are_errors() {
        let mut bytes = Vec::new();
        (1_u8, vec![0.5_f64; 3]).encode(&mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(<(u8, Vec<f64>)>::decode(&bytes[..end]).is_err(), "{end}");
        }
        bytes[..8].fill(0xff);
        assert!(<(u8, Vec<f64>)>::decode(&bytes).is_err());
    }
}
