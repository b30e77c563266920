//! Splitting arrays and lists over engines, and joining their parts.

use ndarray::{Array, ArrayBase, Axis, Data, Dimension, RemoveAxis};
use phalanx_proto::block::block_range;

use crate::codec::{CodecError, Elements, ElementsBuilder, Number, Value, put_header};

/// What [`scatter`](crate::DirectView::scatter) can split: vectors, slices and arrays of numbers of any dimension (along axis 0).
pub trait Scatter {
    /// What each engine gets.
    type Part: Value;
    /// The encoded parts.
    #[doc(hidden)]
    fn parts(&self, parts: usize) -> Result<Elements, CodecError>;
}

/// What [`gather`](crate::DirectView::gather) can join: vectors, and arrays of numbers along axis 0.
pub trait Gather: Value {
    /// The parts, one after the other; an error is a text that says what does not fit.
    #[doc(hidden)]
    fn join(parts: Vec<Self>) -> Result<Self, String>;
}

impl<T: Value + Clone> Scatter for [T] {
    type Part = Vec<T>;
    fn parts(&self, parts: usize) -> Result<Elements, CodecError> {
        let mut elements = ElementsBuilder::default();
        for p in 0..parts {
            let range = block_range(self.len() as u64, parts as u64, p as u64);
            elements.push(&self[range.start as usize..range.end as usize].to_vec())?;
        }
        Ok(elements.finish())
    }
}

impl<T: Value + Clone> Scatter for Vec<T> {
    type Part = Self;
    fn parts(&self, parts: usize) -> Result<Elements, CodecError> {
        self.as_slice().parts(parts)
    }
}

impl<T: Value + Clone, const N: usize> Scatter for [T; N] {
    type Part = Vec<T>;
    fn parts(&self, parts: usize) -> Result<Elements, CodecError> {
        self.as_slice().parts(parts)
    }
}

impl<T, S, D> Scatter for ArrayBase<S, D>
where
    T: Number + Value,
    S: Data<Elem = T>,
    D: Dimension + RemoveAxis + 'static,
    Array<T, D>: Value,
{
    type Part = Array<T, D>;
    fn parts(&self, parts: usize) -> Result<Elements, CodecError> {
        let mut elements = ElementsBuilder::with_capacity(self.len() * size_of::<T>() / 8 + 8 * parts);
        for p in 0..parts {
            let range = block_range(self.len_of(Axis(0)) as u64, parts as u64, p as u64);
            let block =
                self.slice_axis(Axis(0), ndarray::Slice::from(range.start as usize..range.end as usize));
            elements.push_with(|out| {
                put_header(block.shape(), out);
                match block.as_slice() {
                    Some(numbers) => out.extend_from_slice(bytemuck::cast_slice(numbers)),
                    None => block.iter().for_each(|x| out.extend_from_slice(bytemuck::bytes_of(x))),
                }
            })?;
        }
        Ok(elements.finish())
    }
}

impl<T: Value> Gather for Vec<T> {
    fn join(parts: Vec<Self>) -> Result<Self, String> {
        Ok(parts.into_iter().flatten().collect())
    }
}

impl<T, D> Gather for Array<T, D>
where
    T: Number + Value,
    D: Dimension + RemoveAxis + 'static,
    Self: Value,
{
    fn join(parts: Vec<Self>) -> Result<Self, String> {
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        ndarray::concatenate(Axis(0), &views).map_err(|e| {
            let shapes: Vec<_> = parts.iter().map(|part| format!("{:?}", part.shape())).collect();
            format!("their shapes are {}: {e}", shapes.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::codec::{Slots, decode};

    fn decoded<P: Value>(elements: &Elements) -> Vec<P> {
        let lens = elements.lens.packed();
        let mut slots = Slots::new(elements.lens.stride(), &lens);
        (0..elements.lens.count()).map(|_| decode(&elements.data[slots.next_range()]).unwrap()).collect()
    }

    #[test]
    fn an_array_is_split_along_its_first_axis_and_joined_again() {
        let whole = Array2::from_shape_fn((10, 3), |(i, j)| (10 * i + j) as f64);
        for view in [whole.view(), whole.slice(s![..;-1, ..])] {
            let split: Vec<Array2<f64>> = decoded(&view.parts(3).unwrap());
            assert_eq!(split.iter().map(Array2::nrows).collect::<Vec<_>>(), [4, 3, 3]);
            assert_eq!(Gather::join(split).unwrap(), view);
        }
    }

    #[test]
    fn fewer_items_than_engines_leave_some_without() {
        let split: Vec<Vec<String>> = decoded(&["a".to_owned(), "b".to_owned()].parts(3).unwrap());
        assert_eq!(split, [vec!["a".to_owned()], vec!["b".to_owned()], vec![]]);
    }

    #[test]
    fn parts_that_do_not_fit_say_how() {
        let e = Array2::<f64>::join(vec![Array2::zeros((2, 3)), Array2::zeros((2, 4))]).unwrap_err();
        assert!(e.contains("[2, 3], [2, 4]"), "{e}");
    }
}
