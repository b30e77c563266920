//! The path of plain numbers: no element is ever touched one by one.

use std::any::{Any, TypeId};

use bytemuck::Pod;
use ndarray::{Array, Dimension, Ix0, Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn};

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
pub(super) fn encode(value: &dyn Any, out: &mut Vec<u8>) -> bool {
    macro_rules! each {
        ($($t:ty),*) => { $(
            if let Some(v) = value.downcast_ref::<Vec<$t>>() {
                out.extend_from_slice(bytemuck::cast_slice(v));
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
pub(super) fn decode<T: 'static>(bytes: &[u8]) -> Option<Result<T, String>> {
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

macro_rules! dimensions { ($visit:ident) => { $visit! { Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn, Ix0 } }; }

#[inline]
fn is_raw(id: TypeId) -> bool {
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
        Some(slice) => out.extend_from_slice(bytemuck::cast_slice(slice)),
        None => a.iter().for_each(|x| out.extend_from_slice(bytemuck::bytes_of(x))),
    }
}

/// The header of an array: its number of axes, then their lengths.
pub(crate) fn put_header(shape: &[usize], out: &mut Vec<u8>) {
    out.push(u8::try_from(shape.len()).expect("ndarray has far fewer axes than 255"));
    for &n in shape {
        out.extend_from_slice(&(n as u64).to_le_bytes());
    }
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
        .map(|n| usize::try_from(u64::from_le_bytes(n.try_into().expect("eight bytes"))).map_err(|e| e.to_string()))
        .collect::<Result<_, _>>()?;
    let dynamic = ndarray::ArrayD::from_shape_vec(IxDyn(&shape), vector::<N>(data)?).map_err(|e| e.to_string())?;
    dynamic.into_dimensionality::<D>().map_err(|e| e.to_string())
}

pub(crate) fn vector<N: Number>(bytes: &[u8]) -> Result<Vec<N>, String> {
    let size = size_of::<N>();
    if !bytes.len().is_multiple_of(size) {
        return Err(format!("not a multiple of {size}"));
    }
    let mut v: Vec<N> = bytemuck::allocation::zeroed_vec(bytes.len() / size);
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
