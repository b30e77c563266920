//! The path of plain numbers: no element is ever touched one by one.

use std::any::{Any, TypeId};

use bytemuck::Pod;
use bytes::Bytes;
use ndarray::{Array, Dimension, Ix0, Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn};

use crate::room;

#[cfg(not(target_endian = "little"))]
compile_error!("numbers travel as they lie in memory, which must be little-endian");

/// Plain numbers, which travel as they lie in memory.
pub trait Number: Pod + Send + Sync {}

macro_rules! numbers {
    ($visit:ident) => {
        $visit! { f64, f32, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize }
    };
}

macro_rules! impl_number { ($($t:ty),*) => { $(impl Number for $t {})* } }
numbers!(impl_number);

/// Appends the bytes of a vector or array of numbers; false when it is something else.
#[inline]
pub(crate) fn encode(value: &dyn Any, out: &mut Vec<u8>) -> bool {
    macro_rules! each {
        ($($t:ty),*) => { $(
            if let Some(v) = value.downcast_ref::<Vec<$t>>() {
                put_numbers(v, out);
                return true;
            }
            if encode_array::<$t>(value, out) { return true; }
        )* };
    }
    // One comparison settles it for everything that is neither.
    if !is_raw(value.type_id()) {
        return false;
    }
    numbers!(each);
    false
}

/// Reads such a vector or array; `None` when `T` is something else.
#[inline]
pub(crate) fn decode<T: 'static>(bytes: &[u8]) -> Option<Result<T, String>> {
    macro_rules! each {
        ($($t:ty),*) => { $(
            if TypeId::of::<T>() == TypeId::of::<Vec<$t>>() {
                return Some(vector::<$t>(bytes).map(same::<Vec<$t>, T>));
            }
            if let Some(found) = decode_array::<$t, T>(bytes) { return Some(found); }
        )* };
    }
    if !is_raw(TypeId::of::<T>()) {
        return None;
    }
    numbers!(each);
    None
}

macro_rules! dimensions {
    ($visit:ident) => {
        $visit! { Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn, Ix0 }
    };
}

#[inline]
pub(crate) fn is_raw(id: TypeId) -> bool {
    macro_rules! arrays_of {
        ($t:ty) => {
            id == TypeId::of::<Array<$t, Ix1>>()
                || id == TypeId::of::<Array<$t, Ix2>>()
                || id == TypeId::of::<Array<$t, Ix3>>()
                || id == TypeId::of::<Array<$t, Ix4>>()
                || id == TypeId::of::<Array<$t, Ix5>>()
                || id == TypeId::of::<Array<$t, Ix6>>()
                || id == TypeId::of::<Array<$t, IxDyn>>()
                || id == TypeId::of::<Array<$t, Ix0>>()
        };
    }
    macro_rules! any_of {
        ($($t:ty),*) => { $( id == TypeId::of::<Vec<$t>>() || arrays_of!($t) )||* };
    }
    numbers!(any_of)
}

fn encode_array<N: Number>(value: &dyn Any, out: &mut Vec<u8>) -> bool {
    macro_rules! each {
        ($($d:ty),*) => { $(
            if let Some(a) = value.downcast_ref::<Array<N, $d>>() { put_array(a, out); return true; }
        )* };
    }
    dimensions!(each);
    false
}

fn put_array<N: Number, D: Dimension>(a: &Array<N, D>, out: &mut Vec<u8>) {
    put_header(a.shape(), out);
    match a.as_slice() {
        Some(numbers) => put_numbers(numbers, out),
        None => a.iter().for_each(|x| out.extend_from_slice(bytemuck::bytes_of(x))),
    }
}

/// Numbers as they lie in memory.
fn put_numbers<N: Number>(numbers: &[N], out: &mut Vec<u8>) {
    let bytes = bytemuck::cast_slice(numbers);
    room::reserve(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The header of an array: its number of axes, then their lengths.
pub fn put_header(shape: &[usize], out: &mut Vec<u8>) {
    out.push(u8::try_from(shape.len()).expect("ndarray has far fewer axes than 255"));
    for &n in shape {
        out.extend_from_slice(&(n as u64).to_le_bytes());
    }
}

/// Joins the encoded values of several engines into one, without decoding each first; every value lies in parts as they arrived.
/// `None` when `T` is no vector or array of numbers.
pub fn join<T: 'static>(values: &[&[Bytes]]) -> Option<Result<T, String>> {
    macro_rules! each {
        ($($t:ty),*) => { $(
            if TypeId::of::<T>() == TypeId::of::<Vec<$t>>() {
                return Some(joined_numbers::<$t>(values, 0).map(same::<Vec<$t>, T>));
            }
            if let Some(found) = join_array::<$t, T>(values) { return Some(found); }
        )* };
    }
    if !is_raw(TypeId::of::<T>()) {
        return None;
    }
    numbers!(each);
    None
}

fn join_array<N: Number, T: 'static>(values: &[&[Bytes]]) -> Option<Result<T, String>> {
    macro_rules! each {
        ($($d:ty),*) => { $(
            if TypeId::of::<T>() == TypeId::of::<Array<N, $d>>() {
                return Some(joined_array::<N, $d>(values).map(same::<Array<N, $d>, T>));
            }
        )* };
    }
    dimensions!(each);
    None
}

/// Along the first axis; the others must agree.
fn joined_array<N: Number, D: Dimension>(values: &[&[Bytes]]) -> Result<Array<N, D>, String> {
    let shapes = values.iter().map(|value| shape_of(value)).collect::<Result<Vec<_>, _>>()?;
    let (first, others) = shapes.split_first().ok_or("there are no parts")?;
    if first.is_empty() || others.iter().any(|shape| shape.get(1..) != first.get(1..)) {
        let shapes: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
        return Err(format!("their shapes are {}; all axes but the first must agree", shapes.join(", ")));
    }
    let mut shape = first.clone();
    shape[0] = shapes.iter().map(|shape| shape[0]).sum();
    let numbers = joined_numbers::<N>(values, 1 + 8 * shape.len())?;
    let dynamic = ndarray::ArrayD::from_shape_vec(IxDyn(&shape), numbers).map_err(|e| e.to_string())?;
    dynamic.into_dimensionality::<D>().map_err(|e| e.to_string())
}

/// The shape in the header of an array that lies in parts.
fn shape_of(value: &[Bytes]) -> Result<Vec<usize>, String> {
    let mut bytes = value.iter().flat_map(|part| part.iter().copied());
    let axes = bytes.next().ok_or("there is no header")?;
    (0..axes)
        .map(|_| {
            let mut len = [0_u8; 8];
            for byte in &mut len {
                *byte = bytes.next().ok_or("the header is cut short")?;
            }
            usize::try_from(u64::from_le_bytes(len)).map_err(|e| e.to_string())
        })
        .collect()
}

/// The numbers of all values one after the other, `header` bytes of each left out.
fn joined_numbers<N: Number>(values: &[&[Bytes]], header: usize) -> Result<Vec<N>, String> {
    let sizes = values.iter().map(|value| value.iter().map(Bytes::len).sum::<usize>().checked_sub(header));
    let bytes = sizes.sum::<Option<usize>>().ok_or("a header is cut short")?;
    if !bytes.is_multiple_of(size_of::<N>()) {
        return Err(format!("not a multiple of {}", size_of::<N>()));
    }
    let mut numbers: Vec<N> = room::zeroed(bytes / size_of::<N>());
    let mut room = bytemuck::cast_slice_mut::<N, u8>(&mut numbers);
    for value in values {
        let mut skip = header;
        for part in *value {
            let skipped = skip.min(part.len());
            skip -= skipped;
            let part = &part[skipped..];
            let (here, rest) = room.split_at_mut(part.len());
            here.copy_from_slice(part);
            room = rest;
        }
    }
    Ok(numbers)
}

fn decode_array<N: Number, T: 'static>(bytes: &[u8]) -> Option<Result<T, String>> {
    macro_rules! each {
        ($($d:ty),*) => { $(
            if TypeId::of::<T>() == TypeId::of::<Array<N, $d>>() {
                return Some(array::<N, $d>(bytes).map(same::<Array<N, $d>, T>));
            }
        )* };
    }
    dimensions!(each);
    None
}

fn array<N: Number, D: Dimension>(bytes: &[u8]) -> Result<Array<N, D>, String> {
    let (&axes, rest) = bytes.split_first().ok_or("there is no header")?;
    let header = usize::from(axes) * 8;
    let (lens, data) = rest.split_at_checked(header).ok_or("the header is cut short")?;
    let shape: Vec<usize> = lens
        .chunks_exact(8)
        .map(|n| {
            usize::try_from(u64::from_le_bytes(n.try_into().expect("eight bytes"))).map_err(|e| e.to_string())
        })
        .collect::<Result<_, _>>()?;
    let dynamic =
        ndarray::ArrayD::from_shape_vec(IxDyn(&shape), vector::<N>(data)?).map_err(|e| e.to_string())?;
    dynamic.into_dimensionality::<D>().map_err(|e| e.to_string())
}

/// A vector of numbers from their bytes.
pub fn vector<N: Number>(bytes: &[u8]) -> Result<Vec<N>, String> {
    let size = size_of::<N>();
    if !bytes.len().is_multiple_of(size) {
        return Err(format!("not a multiple of {size}"));
    }
    let mut v: Vec<N> = room::zeroed(bytes.len() / size);
    bytemuck::cast_slice_mut::<N, u8>(&mut v).copy_from_slice(bytes);
    Ok(v)
}

/// The same value under the name that the caller knows it by. The types are equal.
fn same<A: 'static, B: 'static>(value: A) -> B {
    let mut slot = Some(value);
    (&mut slot as &mut dyn Any)
        .downcast_mut::<Option<B>>()
        .and_then(Option::take)
        .expect("the two type ids were compared before")
}
