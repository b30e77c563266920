//! Every kind of value.

use std::collections::{BTreeMap, HashMap};

use ndarray::{Array0, Array1, Array2, ArrayD, array};
use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo, SaveOptions};
use serde::Serialize;

use crate::expectation::Expectation;

#[test]
fn numbers_keep_their_type_and_every_bit() {
    let odd = [1.5, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 2.0, f64::MAX, -0.1];
    Expectation::of_values(&odd).fixed("values", &[7], &odd).check();
    let single = [1.5, f32::NAN, f32::NEG_INFINITY, f32::MIN_POSITIVE / 2.0, 0.1];
    Expectation::of_values(&single).fixed("values", &[5], &single).check();
    macro_rules! integers {
        ($($type:ident)*) => {
            $(let values = [$type::MIN, $type::MAX, 1, 0];
            Expectation::of_values(&values).fixed("values", &[4], &values).check();)*
        };
    }
    integers! { i8 i16 i32 i64 u8 u16 u32 u64 }
    Expectation::of_values(&[true, false]).fixed("values", &[2], &[true, false]).check();
}

#[test]
fn large_data_is_chunked_and_compressed_without_a_change() {
    let values: Vec<[f64; 3]> =
        (0..300_000).map(|i| [f64::from(i), f64::from(i).sqrt(), 1.0 / f64::from(i)]).collect();
    let records = vec![ElementRecord::default(); values.len()];
    let expectation = Expectation::new(&["values"]);
    ResultFile::new(&RunInfo::default(), values.iter().map(ElementOutcome::Value), &records)
        .save(expectation.path(), &SaveOptions { compression: Some(3), ..Default::default() })
        .unwrap();
    let flat: Vec<f64> = values.concat();
    let plain = flat.len() * 8;
    let size = std::fs::metadata(expectation.path()).unwrap().len();
    assert!((size as usize) < plain, "{size} bytes for {plain} bytes of data");
    expectation.fixed("values", &[300_000, 3], &flat).check();
}

#[test]
fn text_is_utf8() {
    let texts = ["", "plain", "größer ≥ 😀", "new\nline"];
    Expectation::of_values(&texts).text("values", &[4], &texts).check();
    Expectation::of_values(&['a', 'é']).text("values", &[2], &["a", "é"]).check();
    let long: Vec<String> = (0..20_000).map(|i| "x".repeat(i % 7)).collect();
    let expected: Vec<&str> = long.iter().map(String::as_str).collect();
    Expectation::of_values(&long).text("values", &[20_000], &expected).check();
}

#[test]
fn text_with_nul_survives_as_json() {
    Expectation::of_values(&["a\0b", "c"]).json("values", &[Some(r#""a\u0000b""#), Some(r#""c""#)]).check();
}

#[test]
fn arrays_of_one_length_add_axes() {
    Expectation::of_values(&[[1u8, 2], [3, 4], [5, 6]])
        .fixed("values", &[3, 2], &[1u8, 2, 3, 4, 5, 6])
        .check();
    let nested = vec![vec![[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]; 2];
    Expectation::of_values(&nested)
        .fixed("values", &[2, 3, 2], &[1f32, 2., 3., 4., 5., 6.].repeat(2))
        .check();
    Expectation::of_values(&[(1u8, 2u8), (3, 4)]).fixed("values", &[2, 2], &[1u8, 2, 3, 4]).check();
    Expectation::of_values(&[["a", "b"], ["c", "d"]]).text("values", &[2, 2], &["a", "b", "c", "d"]).check();
    let long = [[0.5f64; 20], [0.25; 20]];
    Expectation::of_values(&long).fixed("values", &[2, 20], &long.concat()).check();
    Expectation::of_values(&[vec![0u8; 0], vec![]])
        .fixed::<f64>("values", &[2, 0], &[])
        .attribute("values", "encoding", "absent")
        .check();
}

#[test]
fn vectors_of_varying_length_are_variable_length() {
    let rows = vec![vec![1.0, f64::NAN], vec![], vec![3.0, 4.0, 5.0]];
    Expectation::of_values(&rows).ragged("values", &[3], &rows).check();
    let flags = vec![vec![true], vec![false, true]];
    Expectation::of_values(&flags).ragged("values", &[2], &flags).check();
    let points = vec![vec![[1i32, 2]], vec![], vec![[3, 4], [5, 6]]];
    Expectation::of_values(&points)
        .ragged("values", &[3], &[vec![1i32, 2], vec![], vec![3, 4, 5, 6]])
        .attribute("values", "item_shape", vec![2])
        .check();
    let pairs = vec![[vec![1u64], vec![]], [vec![2, 3], vec![4]]];
    Expectation::of_values(&pairs)
        .ragged("values", &[2, 2], &[vec![1u64], vec![], vec![2, 3], vec![4]])
        .check();
    let unlike = [(vec![0u8; 0], vec![0.5; 0]), (vec![1], vec![0.5])];
    Expectation::of_values(&unlike)
        .ragged("values/0", &[2], &[vec![], vec![1u8]])
        .ragged("values/1", &[2], &[vec![], vec![0.5]])
        .check();
    let many: Vec<Vec<u32>> = (0..20_000).map(|i| vec![i; i as usize % 5]).collect();
    Expectation::of_values(&many).ragged("values", &[20_000], &many).check();
}

struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[test]
fn bytes_are_numbers() {
    Expectation::of_values(&[Raw(vec![1, 2]), Raw(vec![3, 4])])
        .fixed("values", &[2, 2], &[1u8, 2, 3, 4])
        .check();
    Expectation::of_values(&[Raw(vec![]), Raw(vec![3])]).ragged("values", &[2], &[vec![], vec![3u8]]).check();
}

#[derive(Clone, Serialize)]
struct Fit {
    mean: f64,
    label: String,
    range: Range,
    weights: Vec<f32>,
    pair: (u8, &'static str),
}

#[derive(Clone, Serialize)]
struct Range {
    low: i64,
    high: Option<i64>,
}

fn fit(mean: f64, high: Option<i64>, weights: &[f32]) -> Fit {
    let range = Range { low: -1, high };
    Fit { mean, label: format!("fit {mean}"), range, weights: weights.to_vec(), pair: (mean as u8, "p") }
}

#[test]
fn structs_are_groups() {
    let fits = [fit(1.0, Some(9), &[0.5]), fit(2.0, None, &[0.25, 0.125])];
    Expectation::of_values(&fits)
        .fixed("values/mean", &[2], &[1.0, 2.0])
        .text("values/label", &[2], &["fit 1", "fit 2"])
        .fixed("values/range/low", &[2], &[-1i64, -1])
        .fixed("values/range/high", &[2], &[9i64, 0])
        .fixed("values/range/high.is_some", &[2], &[true, false])
        .ragged("values/weights", &[2], &[vec![0.5f32], vec![0.25, 0.125]])
        .fixed("values/pair/0", &[2], &[1u8, 2])
        .text("values/pair/1", &[2], &["p", "p"])
        .attribute("values", "encoding", "struct")
        .attribute("values/pair", "encoding", "tuple")
        .check();
}

#[test]
fn vectors_of_structs_add_an_axis_to_the_fields() {
    let range = |low, high| Range { low, high };
    let rows = [vec![range(1, None), range(2, Some(3))], vec![range(4, Some(5)), range(6, None)]];
    Expectation::of_values(&rows)
        .fixed("values/low", &[2, 2], &[1i64, 2, 4, 6])
        .fixed("values/high", &[2, 2], &[0i64, 3, 5, 0])
        .fixed("values/high.is_some", &[2, 2], &[false, true, true, false])
        .check();
    #[derive(Serialize)]
    struct Hit {
        at: [f32; 2],
        charge: i8,
    }
    let hit = |x, charge| Hit { at: [x, -x], charge };
    Expectation::of_values(&[vec![hit(1.0, 1)], vec![hit(2.0, -1), hit(3.0, 0)]])
        .ragged("values/at", &[2], &[vec![1f32, -1.], vec![2., -2., 3., -3.]])
        .ragged("values/charge", &[2], &[vec![1i8], vec![-1, 0]])
        .attribute("values/at", "item_shape", vec![2])
        .check();
}

#[test]
fn options_have_a_mask() {
    Expectation::of_values(&[Some(1.5), None, Some(f64::NAN)])
        .fixed("values", &[3], &[1.5, f64::NAN, f64::NAN])
        .fixed("values.is_some", &[3], &[true, false, true])
        .check_with_groups(&["values", "values.is_some"]);
    let nested = [Some(Some(7u16)), Some(None), None];
    Expectation::of_values(&nested)
        .fixed("values", &[3], &[7u16, 0, 0])
        .fixed("values.is_some", &[3], &[true, false, false])
        .fixed("values.is_some.is_some", &[3], &[true, true, false])
        .check_with_groups(&["values", "values.is_some", "values.is_some.is_some"]);
    Expectation::of_values(&[None, Some([1u8, 2])])
        .fixed("values", &[2, 2], &[0u8, 0, 1, 2])
        .fixed("values.is_some", &[2], &[false, true])
        .check_with_groups(&["values", "values.is_some"]);
    Expectation::of_values(&[[None, Some(1i8)], [Some(2), None]])
        .fixed("values", &[2, 2], &[0i8, 1, 2, 0])
        .fixed("values.is_some", &[2, 2], &[false, true, true, false])
        .check_with_groups(&["values", "values.is_some"]);
    Expectation::of_values(&[None::<u8>, None])
        .fixed("values", &[2], &[f64::NAN; 2])
        .fixed("values.is_some", &[2], &[false, false])
        .attribute("values", "encoding", "absent")
        .check_with_groups(&["values", "values.is_some"]);
}

#[derive(Serialize)]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize)]
enum Step {
    Converged,
    Moved(f64),
    Between(u8, String),
    Limits { low: i32, high: i32 },
}

#[test]
fn enums_are_enumerations_and_their_data_groups() {
    Expectation::of_values(&[Colour::Green, Colour::Red])
        .enumeration("values", &[2], &["Green", "Red"])
        .check();
    let steps = [
        Step::Moved(0.5),
        Step::Converged,
        Step::Between(1, "one".into()),
        Step::Moved(-0.25),
        Step::Limits { low: -3, high: 3 },
    ];
    Expectation::of_values(&steps)
        .enumeration("values/variant", &[5], &["Moved", "Converged", "Between", "Moved", "Limits"])
        .fixed("values/data/Moved/rows", &[2], &[0u64, 3])
        .fixed("values/data/Moved/value", &[2], &[0.5, -0.25])
        .fixed("values/data/Between/rows", &[1], &[2u64])
        .fixed("values/data/Between/value/0", &[1], &[1u8])
        .text("values/data/Between/value/1", &[1], &["one"])
        .fixed("values/data/Limits/rows", &[1], &[4u64])
        .fixed("values/data/Limits/value/low", &[1], &[-3i32])
        .fixed("values/data/Limits/value/high", &[1], &[3i32])
        .attribute("values", "encoding", "enum")
        .check();
    Expectation::of_values(&[Ok(1u8), Err("no")])
        .enumeration("values/variant", &[2], &["Ok", "Err"])
        .fixed("values/data/Ok/rows", &[1], &[0u64])
        .fixed("values/data/Ok/value", &[1], &[1u8])
        .fixed("values/data/Err/rows", &[1], &[1u64])
        .text("values/data/Err/value", &[1], &["no"])
        .check();
}

#[test]
fn enums_brought_together_by_an_untagged_one_are_json() {
    #[derive(Serialize)]
    enum Size {
        Small,
        Red,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Either {
        Colour(Colour),
        Size(Size),
    }
    let rows = [Either::Colour(Colour::Red), Either::Size(Size::Small)];
    Expectation::of_values(&rows).json("values", &[Some(r#""Red""#), Some(r#""Small""#)]).check();
    let rows = [Either::Colour(Colour::Red), Either::Size(Size::Red)];
    Expectation::of_values(&rows).json("values", &[Some(r#""Red""#), Some(r#""Red""#)]).check();
}

#[test]
fn maps_with_the_same_keys_are_groups_and_others_json() {
    let same: Vec<HashMap<&str, f64>> =
        (0..20).map(|i| ["a", "b", "c", "d"].map(|key| (key, f64::from(i))).into_iter().collect()).collect();
    let column: Vec<f64> = (0..20).map(f64::from).collect();
    Expectation::of_values(&same)
        .fixed("values/a", &[20], &column)
        .fixed("values/b", &[20], &column)
        .fixed("values/c", &[20], &column)
        .fixed("values/d", &[20], &column)
        .attribute("values", "encoding", "map")
        .check();
    let differ = [BTreeMap::from([("a", 1)]), BTreeMap::from([("b", 2)]), BTreeMap::new()];
    Expectation::of_values(&differ)
        .json("values", &[Some(r#"{"a":1}"#), Some(r#"{"b":2}"#), Some("{}")])
        .check();
    let slashes = [BTreeMap::from([("a/b", 1)])];
    Expectation::of_values(&slashes).json("values", &[Some(r#"{"a/b":1}"#)]).check();
    let numbered = [BTreeMap::from([(1u8, 0.1), (2, f64::NAN)])];
    Expectation::of_values(&numbered).json("values", &[Some(r#"{"1":0.1,"2":NaN}"#)]).check();
}

/// A map that names one key twice.
struct Repeating(bool);

impl Serialize for Repeating {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(if self.0 { [("a", 1), ("a", 2)] } else { [("a", 1), ("b", 2)] })
    }
}

#[test]
fn what_has_no_natural_column_is_json_only_where_it_must() {
    #[derive(Serialize)]
    struct Mixed {
        count: u32,
        words: Vec<&'static str>,
        wide: u128,
    }
    let rows = [
        Mixed { count: 1, words: vec!["a", "b"], wide: u128::MAX },
        Mixed { count: 2, words: vec!["c"], wide: 0 },
    ];
    let max = u128::MAX.to_string();
    Expectation::of_values(&rows)
        .fixed("values/count", &[2], &[1u32, 2])
        .json("values/words", &[Some(r#"["a","b"]"#), Some(r#"["c"]"#)])
        .json("values/wide", &[Some(&max), Some("0")])
        .check();
    let matrices = [vec![vec![1.5], vec![]], vec![vec![f64::NAN, 2.0]]];
    Expectation::of_values(&matrices).json("values", &[Some("[[1.5],[]]"), Some("[[NaN,2.0]]")]).check();
    Expectation::of_values(&[Repeating(false), Repeating(true)])
        .json("values", &[Some(r#"{"a":1,"b":2}"#), Some(r#"{"a":1,"a":2}"#)])
        .check();
    let any = [serde_json::json!({"x": [1, "two", null]}), serde_json::json!(3.5)];
    Expectation::of_values(&any).json("values", &[Some(r#"{"x":[1,"two",null]}"#), Some("3.5")]).check();
}

#[test]
fn untagged_numbers_widen_exactly() {
    let any = [serde_json::json!(1), serde_json::json!(-2), serde_json::json!(0.5)];
    Expectation::of_values(&any).fixed("values", &[3], &[1.0, -2.0, 0.5]).check();
    let large = [serde_json::json!(u64::MAX), serde_json::json!(0.5)];
    Expectation::of_values(&large).json("values", &[Some(&u64::MAX.to_string()), Some("0.5")]).check();
}

#[test]
fn ndarrays_are_datasets() {
    let matrices = [array![[1.0, 2.0], [3.0, 4.0]], array![[5.0, 6.0], [7.0, f64::NAN]]];
    let flat = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, f64::NAN];
    Expectation::of_values(&matrices).fixed("values", &[2, 2, 2], &flat).check();
    let transposed: Vec<Array2<f64>> = matrices.iter().map(|m| m.t().to_owned()).collect();
    let flat = [1.0, 3.0, 2.0, 4.0, 5.0, 7.0, 6.0, f64::NAN];
    Expectation::of_values(&transposed).fixed("values", &[2, 2, 2], &flat).check();
    let vectors: [Array1<u16>; 2] = [array![1, 2, 3], array![4]];
    Expectation::of_values(&vectors)
        .fixed("values/shape", &[2, 1], &[3u64, 1])
        .ragged("values/data", &[2], &[vec![1u16, 2, 3], vec![4]])
        .attribute("values", "encoding", "ndarray")
        .check();
    // The same number of items in other shapes is not the same shape.
    let reshaped: [Array2<u8>; 2] = [array![[1, 2]], array![[3], [4]]];
    Expectation::of_values(&reshaped)
        .fixed("values/shape", &[2, 2], &[1u64, 2, 2, 1])
        .fixed("values/data", &[2, 2], &[1u8, 2, 3, 4])
        .check();
    let dynamic: [ArrayD<i32>; 2] = [array![1].into_dyn(), array![[2, 3]].into_dyn()];
    Expectation::of_values(&dynamic)
        .ragged("values/shape", &[2], &[vec![1u64], vec![1, 2]])
        .ragged("values/data", &[2], &[vec![1i32], vec![2, 3]])
        .check();
    Expectation::of_values(&[Array0::from_elem((), 2.5)]).fixed("values", &[1], &[2.5]).check();
    #[derive(Serialize)]
    struct Model {
        weights: Array2<f32>,
    }
    Expectation::of_values(&[Model { weights: array![[1.0, 2.0, 3.0]] }])
        .fixed("values/weights", &[1, 1, 3], &[1f32, 2., 3.])
        .check();
}

#[test]
fn units_count_their_rows() {
    Expectation::of_values(&[(), ()])
        .fixed("values", &[2], &[0u8, 0])
        .attribute("values", "encoding", "unit")
        .check();
}
