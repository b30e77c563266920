use ndarray::{Array1, Array2, ArrayD, IxDyn, arr2};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

fn there_and_back<T: Value + PartialEq + std::fmt::Debug>(value: T) -> usize {
    let mut bytes = Vec::new();
    encode(&value, &mut bytes).unwrap();
    assert_eq!(decode::<T>(&bytes).unwrap(), value);
    bytes.len()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Circle { r: f64 },
    Named(String, Option<Vec<u8>>),
}

#[test]
fn numbers_travel_raw_and_the_rest_as_bincode() {
    assert_eq!(there_and_back(5_u64), 8);
    assert_eq!(there_and_back((1_i32, 2.5_f64)), 12);
    assert_eq!(there_and_back(vec![1.5_f64; 100]), 800);
    assert_eq!(there_and_back(vec![(1_u8, 2_u8); 3]), 8 + 6);
    assert_eq!(there_and_back(Array2::<f32>::zeros((3, 4))), 1 + 16 + 48);
    assert_eq!(there_and_back(Array1::from(vec![1_i64, 2, 3])), 1 + 8 + 24);
    there_and_back(ArrayD::<u16>::zeros(IxDyn(&[2, 0, 3])));
    there_and_back(Shape::Circle { r: 1.0 });
    there_and_back(Shape::Named("α".into(), Some(vec![1, 2])));
    there_and_back(String::from("text"));
    assert_eq!(there_and_back(()), 0);
}

#[test]
fn an_array_that_is_not_in_order_arrives_in_order() {
    let a = arr2(&[[1.0, 2.0], [3.0, 4.0]]).reversed_axes();
    let mut bytes = Vec::new();
    encode(&a, &mut bytes).unwrap();
    assert_eq!(decode::<Array2<f64>>(&bytes).unwrap(), arr2(&[[1.0, 3.0], [2.0, 4.0]]));
}

#[test]
fn bytes_that_are_something_else_are_refused() {
    assert!(decode::<u64>(&[0; 7]).is_err());
    assert!(decode::<u64>(&[0; 9]).is_err());
    assert!(decode::<Vec<f64>>(&[0; 7]).is_err());
    assert!(decode::<Array2<f64>>(&[1, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    assert!(decode::<Vec<String>>(&u64::MAX.to_le_bytes()).is_err(), "a forged length");
}

#[test]
fn a_stride_is_kept_until_a_length_differs() {
    let mut even = ElementsBuilder::default();
    (0..5_u32).for_each(|x| even.push(&x).unwrap());
    let even = even.finish();
    assert_eq!((even.lens.count(), even.lens.stride(), even.lens.varying()), (5, 4, false));

    let mut odd = ElementsBuilder::default();
    ["aa", "bb", "c", "dd"].iter().for_each(|s| odd.push(&(*s).to_owned()).unwrap());
    let odd = odd.finish();
    assert_eq!(odd.lens.each(), [10, 10, 9, 10]);

    let mut both = Lens::default();
    both.append(&even.lens);
    both.append(&odd.lens);
    assert_eq!(both.each(), [4, 4, 4, 4, 4, 10, 10, 9, 10]);
}

#[test]
fn arrays_in_parts_are_joined_as_if_decoded_first() {
    let whole = Array2::from_shape_fn((7, 3), |(i, j)| (i * 3 + j) as f32);
    let encoded: Vec<bytes::Bytes> = [0..3, 3..3, 3..7]
        .map(|rows: std::ops::Range<usize>| {
            let mut out = Vec::new();
            encode(&whole.slice(ndarray::s![rows, ..]).to_owned(), &mut out).unwrap();
            out.into()
        })
        .to_vec();
    for piece in [1, 5, 17, 1000] {
        let parts: Vec<Vec<bytes::Bytes>> =
            encoded.iter().map(|e| e.chunks(piece).map(bytes::Bytes::copy_from_slice).collect()).collect();
        let views: Vec<&[bytes::Bytes]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(join::<Array2<f32>>(&views).unwrap().unwrap(), whole);
    }
    assert!(join::<Vec<String>>(&[]).is_none());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    encode(&Array2::<u8>::zeros((2, 3)), &mut a).unwrap();
    encode(&Array2::<u8>::zeros((2, 4)), &mut b).unwrap();
    let e = join::<Array2<u8>>(&[&[a.into()], &[b.into()]]).unwrap().unwrap_err();
    assert!(e.contains("[2, 3], [2, 4]"), "{e}");
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode::<Vec<String>>(&bytes);
        let _ = decode::<Array2<f64>>(&bytes);
        let _ = decode::<ArrayD<u8>>(&bytes);
        let _ = decode::<(u8, Option<String>, f64)>(&bytes);
    }

    #[test]
    fn slots_cover_the_data(lens in proptest::collection::vec(0u32..9, 0..20)) {
        let packed: Vec<u8> = lens.iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut slots = Slots::new(0, &packed);
        let mut at = 0;
        for len in lens {
            let range = slots.next_range();
            prop_assert_eq!(range.start, at);
            at += len as usize;
            prop_assert_eq!(range.end, at);
        }
    }
}

#[test]
fn of_a_value_that_panics_while_it_is_encoded_nothing_is_left() {
    struct Breaks;
    impl serde::Serialize for Breaks {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple as _;
            let mut pair = serializer.serialize_tuple(2)?;
            pair.serialize_element(&7_u64)?;
            panic!("in the middle");
        }
    }
    let mut builder = ElementsBuilder::default();
    builder.push(&1_u64).unwrap();
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.push(&Breaks)));
    assert!(broken.is_err());
    builder.push(&2_u64).unwrap();
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.push(&Breaks)));
    assert!(broken.is_err());
    let elements = builder.finish();
    assert_eq!((elements.lens.count(), elements.lens.stride(), elements.data.len()), (2, 8, 16));
}
