//! Scatter and gather of arrays and lists.

use std::path::PathBuf;

use ndarray::{Array, Array1, Array2, Array3, Axis, Dimension, RemoveAxis, array, s};
use phalanx::{Client, Error, Gather, Scatter};
use serde::{Deserialize, Serialize};

use super::{Latch, pass};
use crate::wait::{DEADLINE, wait_until};

fn back_and_forth<T: Gather + PartialEq + std::fmt::Debug>(
    client: &Client,
    values: &(impl Scatter<Part = T> + ?Sized),
) -> T {
    let dview = client.direct_view(..);
    dview.scatter("there", values).get().unwrap();
    dview.gather::<T>("there").get().unwrap()
}

/// Arrays are split along axis 0 and come back as they were.
pub fn one_two_and_three_dimensions(client: &Client) {
    let one = Array1::from_iter((0..1001_i32).map(f64::from));
    assert_eq!(back_and_forth(client, &one), one);
    let two = Array2::from_shape_fn((103, 7), |(i, j)| (i * 10 + j) as i32);
    assert_eq!(back_and_forth(client, &two), two);
    let three = Array3::from_shape_fn((9, 4, 5), |(i, j, k)| (i * 100 + j * 10 + k) as u16);
    assert_eq!(back_and_forth(client, &three), three);
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(back_and_forth(client, &bytes), bytes);
    assert_eq!(back_and_forth(client, &[1.5_f32, 2.5, 3.5, 4.5, 5.5]), [1.5, 2.5, 3.5, 4.5, 5.5]);
    assert_eq!(back_and_forth(client, &bytes[..9]), bytes[..9]);
}

/// Every other row, transposed, backwards, a hole in the middle: the values are those of the view.
pub fn arrays_that_are_not_contiguous(client: &Client) {
    fn check<D: Dimension + RemoveAxis + 'static>(client: &Client, view: &ndarray::ArrayView<'_, f64, D>)
    where
        Array<f64, D>: Gather,
    {
        assert_eq!(back_and_forth(client, view), view);
    }
    let whole = Array2::from_shape_fn((30, 8), |(i, j)| (i * 10 + j) as f64);
    check(client, &whole.slice(s![..;2, ..]));
    check(client, &whole.slice(s![.., 1..;3]));
    check(client, &whole.slice(s![..;-1, ..;-1]));
    check(client, &whole.t());
    check(client, &whole.column(3));
    let cube = Array3::from_shape_fn((5, 6, 7), |(i, j, k)| (i * 100 + j * 10 + k) as f64);
    check(client, &cube.view().permuted_axes([2, 0, 1]));
    check(client, &cube.index_axis(Axis(1), 2));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    name: String,
    weights: Vec<f64>,
    parent: Option<Box<Sample>>,
}

/// Lists of anything.
pub fn lists_of_structs(client: &Client) {
    let leaf = Sample { name: "leaf".to_owned(), weights: vec![], parent: None };
    let samples: Vec<Sample> = (0..11)
        .map(|i| Sample {
            name: format!("sample {i}"),
            weights: vec![0.5; i],
            parent: (i % 2 == 0).then(|| Box::new(leaf.clone())),
        })
        .collect();
    assert_eq!(back_and_forth(client, &samples), samples);
    let counts = client.direct_view(..).execute(|ns| ns.at::<Vec<Sample>>("there").len()).get().unwrap();
    assert_eq!(counts, [3, 3, 3, 2]);
}

/// Engines beyond the items get empty parts, and nothing gets lost or twice.
pub fn fewer_items_than_engines(client: &Client) {
    let three = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    assert_eq!(back_and_forth(client, &three), three);
    let shapes = client.direct_view(..).execute(|ns| ns.at::<Array2<f64>>("there").dim()).get().unwrap();
    assert_eq!(shapes, [(1, 2), (1, 2), (1, 2), (0, 2)]);
    assert_eq!(back_and_forth(client, &vec!["only".to_owned()]), ["only"]);
    assert_eq!(back_and_forth(client, &Vec::<i64>::new()), Vec::<i64>::new());
    let empty = Array2::<f32>::zeros((0, 5));
    assert_eq!(back_and_forth(client, &empty), empty);
}

/// N over P: the first N mod P parts have one more; contiguous, in order.
pub fn parts_are_split_by_block(client: &Client) {
    for (n, expected) in
        [(10_i32, [3, 3, 2, 2]), (5, [2, 1, 1, 1]), (4, [1, 1, 1, 1]), (0, [0, 0, 0, 0]), (5000, [1250; 4])]
    {
        let dview = client.direct_view(..);
        dview.scatter("part", &(0..n).collect::<Vec<_>>()).get().unwrap();
        let parts = dview.pull::<Vec<i32>>("part").get().unwrap();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        assert_eq!(parts.concat(), (0..n).collect::<Vec<_>>());
    }
    // The same split serves a direct map: one block of neighbours per engine.
    let out = client.direct_view(..).map_async(|x: i32| x, 0..10);
    assert_eq!(out.get().unwrap(), (0..10).collect::<Vec<_>>());
    let mut blocks: Vec<_> = out.chunks().iter().map(|c| (c.element_first, c.elements, c.engine)).collect();
    blocks.sort_unstable();
    assert_eq!(blocks, [(0, 3, 0), (3, 3, 1), (6, 2, 2), (8, 2, 3)]);
}

/// What cannot be joined is an error that tells the shapes.
pub fn parts_that_do_not_fit(client: &Client) {
    let dview = client.direct_view(..);
    dview.execute(|ns| ns.set("wide", Array2::<f64>::zeros((1, 1 + ns.engine() as usize)))).get().unwrap();
    let error = dview.gather::<Array2<f64>>("wide").get().unwrap_err();
    assert!(matches!(error, Error::Gather { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("\"wide\"") && text.contains("[1, 1], [1, 2]"), "{text}");
}

/// Blocks are joined, and values listed, in the order of the engines, whichever answers last.
pub fn a_late_engine_keeps_its_place(client: &Client) {
    let dview = client.direct_view(..);
    let list: Vec<i32> = (0..10).collect();
    let array = Array1::from_vec(list.clone());
    dview.scatter("list", &list).get().unwrap();
    dview.scatter("array", &array).get().unwrap();
    let (latch, late) = (Latch::new(), client.direct_view(0));
    late.push("latch", &latch.path()).get().unwrap();
    let held = late.execute(|ns| pass(ns.at::<PathBuf>("latch")));
    let (lists, arrays) = (dview.gather::<Vec<i32>>("list"), dview.gather::<Array1<i32>>("array"));
    let (parts, ids) = (dview.pull::<Vec<i32>>("list"), dview.execute(|ns| ns.engine()));
    wait_until("the other engines have answered", DEADLINE, || {
        [lists.progress(), arrays.progress(), parts.progress(), ids.progress()]
            .iter()
            .all(|progress| progress.elements_done == 3)
    });
    assert!(!held.ready());
    latch.open();
    assert_eq!(lists.get().unwrap(), list);
    assert_eq!(arrays.get().unwrap(), array);
    assert_eq!(parts.get().unwrap(), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7], vec![8, 9]]);
    assert_eq!(ids.get().unwrap(), [0, 1, 2, 3]);
}
