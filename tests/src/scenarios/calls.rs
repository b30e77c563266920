//! Every kind of call, and the forms that its arguments and values take.

use std::collections::BTreeMap;

use ndarray::{Array2, s};
use phalanx::{All, Auto, Client, NamespaceError};
use serde::{Deserialize, Serialize};

/// The type says which: it would not compile otherwise.
pub fn one_engine_gives_a_value_and_several_a_list(client: &Client) {
    let one: u32 = client.direct_view(2).execute(|ns| ns.engine()).get().unwrap();
    assert_eq!(one, 2);
    let list_of_one: Vec<u32> = client.direct_view([2]).execute(|ns| ns.engine()).get().unwrap();
    assert_eq!(list_of_one, [2]);
    let view = client.direct_view(1);
    let nothing: () = view.push("x", &1.25).get().unwrap();
    assert_eq!(nothing, ());
    let pulled: f64 = view.pull("x").get().unwrap();
    assert_eq!(pulled, 1.25);
    let names: Vec<String> = view.names().get().unwrap();
    assert_eq!(names, ["x"]);
    let product: i32 = view.apply_sync(|a: i32, b: i32| a * b, (6, 7)).unwrap();
    assert_eq!(product, 42);
    assert_eq!(view.map_sync(|x: i32| -x, [1, 2, 3]).unwrap(), [-1, -2, -3]);
    assert_eq!(view.clone().targets().unwrap(), [1]);
}

/// Ids, lists in any order, ranges with both kinds of ends, all.
pub fn engines_are_named_in_every_way(client: &Client) {
    assert_eq!(client.direct_view(-1).targets().unwrap(), [3]);
    assert_eq!(client.direct_view([3, 0]).execute(|ns| ns.engine()).get().unwrap(), [3, 0]);
    assert_eq!(client.direct_view(vec![1_u32, 2]).targets().unwrap(), [1, 2]);
    assert_eq!(client.direct_view(&client.ids()[..2]).targets().unwrap(), [0, 1]);
    assert_eq!(client.direct_view(1..3).targets().unwrap(), [1, 2]);
    assert_eq!(client.direct_view(1..=2).targets().unwrap(), [1, 2]);
    assert_eq!(client.direct_view(2..).targets().unwrap(), [2, 3]);
    assert_eq!(client.direct_view(..-1).targets().unwrap(), [0, 1, 2]);
    assert_eq!(client.direct_view(..).targets().unwrap(), client.ids());
    assert_eq!(client.direct_view(All).execute(|ns| ns.engine()).get().unwrap(), client.ids());
    let engines = client.engines();
    assert_eq!(engines.iter().map(|e| e.id).collect::<Vec<_>>(), client.ids());
    assert!(engines.iter().all(|e| !e.host.is_empty() && e.node == engines[0].node && e.node_pid > 0));
}

fn named(a: u8, b: String) -> String {
    format!("{a} {b}")
}

/// No argument, one, several; closures and named functions.
pub fn functions_take_up_to_many_arguments(client: &Client) {
    let dview = client.direct_view(0);
    assert_eq!(dview.apply(|| 7, ()).get().unwrap(), 7);
    assert_eq!(dview.apply(|a: i32| a + 1, (1,)).get().unwrap(), 2);
    assert_eq!(dview.apply(named, (1, "x".to_owned())).get().unwrap(), "1 x");
    let three = dview
        .apply(|a: f64, b: Vec<f64>, c: Option<usize>| a * b[c.unwrap_or(0)], (2.0, vec![3.0, 4.0], Some(1)));
    assert_eq!(three.get().unwrap(), 8.0);
    let lview = client.load_balanced_view();
    assert_eq!(lview.apply(named, (2, "y".to_owned())).get().unwrap(), "2 y");
    assert_eq!(lview.map_sync(str_len, ["a".to_owned(), "bcd".to_owned()], Auto).unwrap(), [1, 3]);
}

#[allow(clippy::ptr_arg, clippy::needless_pass_by_value, reason = "elements are owned values")]
fn str_len(s: String) -> usize {
    s.len()
}

/// `with`, on both views, for all it offers.
pub fn a_value_goes_along(client: &Client) {
    let dview = client.direct_view(..).with(10);
    assert_eq!(dview.map_sync(|k: &i32, x: i32| k * x, 0..6).unwrap(), [0, 10, 20, 30, 40, 50]);
    assert_eq!(dview.clone().map_async(|k: &i32, x: i32| k + x, 0..2).get().unwrap(), [10, 11]);
    let weights = BTreeMap::from([("a".to_owned(), 0.5), ("b".to_owned(), 2.0)]);
    let lview = client.load_balanced_view().with(weights);
    let names = || ["b", "a", "b"].map(str::to_owned);
    assert_eq!(
        lview.map_sync(|w: &BTreeMap<String, f64>, n: String| w[&n], names(), 1).unwrap(),
        [2.0, 0.5, 2.0]
    );
    let out = lview.try_map_async(
        |w: &BTreeMap<String, f64>, n: String| w.get(&n).copied().ok_or("no such weight"),
        ["a".to_owned(), "c".to_owned()],
        Auto,
    );
    let results = out.results();
    assert_eq!(results[0], Ok(0.5));
    assert_eq!(results[1].as_ref().unwrap_err().message, "no such weight");
}

/// What one engine holds another does not.
pub fn namespaces_are_kept_apart(client: &Client) {
    client.direct_view(0).push("a", &"zero".to_owned()).get().unwrap();
    client.direct_view(1).push("b", &1_u64).get().unwrap();
    let dview = client.direct_view(..2);
    assert_eq!(dview.names().get().unwrap(), [["a"], ["b"]]);
    client.direct_view(0).clear().get().unwrap();
    assert_eq!(dview.names().get().unwrap(), [Vec::<String>::new(), vec!["b".to_owned()]]);
}

/// All that a namespace can do, within one call and from one to the next.
pub fn namespaces_change_in_place(client: &Client) {
    let view = client.direct_view(3);
    view.execute(|ns| {
        ns.set("n", 1_i64);
        ns.set("gone", "x".to_owned());
    })
    .get()
    .unwrap();
    for _ in 0..3 {
        view.try_execute(|ns| ns.get_mut::<i64>("n").map(|n| *n *= 10)).get().unwrap();
    }
    let seen = view.execute(|ns| {
        let names: Vec<String> = ns.names().map(str::to_owned).collect();
        let text = ns.take::<String>("gone").unwrap();
        let mistyped = matches!(ns.get::<f32>("n"), Err(NamespaceError::Type { .. }));
        (names, text, ns.contains("gone"), mistyped, *ns.at::<i64>("n"), ns.remove("n"), ns.remove("n"))
    });
    let expected = (vec!["gone".to_owned(), "n".to_owned()], "x".to_owned(), false, true, 1000, true, false);
    assert_eq!(seen.get().unwrap(), expected);
}

/// Rows as they lie in memory, every second one, columns as rows, none.
pub fn rows_of_every_layout(client: &Client) {
    let lview = client.load_balanced_view();
    let whole = Array2::from_shape_fn((40, 6), |(i, j)| (100 * i + j) as i64);
    for view in [whole.view(), whole.slice(s![..;2, 1..]), whole.t(), whole.slice(s![..;-1, ..;-1])] {
        let expected: Vec<Vec<i64>> = view.rows().into_iter().map(|row| row.to_vec()).collect();
        for chunksize in [1, 7] {
            assert_eq!(lview.map_rows(|row| row.to_vec(), &view, chunksize).get().unwrap(), expected);
        }
    }
    let none = Array2::<f64>::zeros((0, 3));
    assert_eq!(lview.map_rows(|row| row.sum(), &none, Auto).get().unwrap(), Vec::<f64>::new());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle { radius: f64, tags: Vec<String> },
    Polygon(Vec<(f32, f32)>),
}

/// Any serde type.
pub fn structs_and_enums_travel(client: &Client) {
    let shapes = vec![
        Shape::Point,
        Shape::Circle { radius: 1.5, tags: vec!["größer".to_owned(), String::new()] },
        Shape::Polygon(vec![(0.5, -1.0); 3]),
    ];
    let area = |s: Shape| match s {
        Shape::Point => (s, Some(0_u128)),
        Shape::Circle { .. } => (s, None),
        Shape::Polygon(ref p) => {
            let n = p.len() as u128;
            (s, Some(u128::MAX - n))
        }
    };
    let expected: Vec<_> = shapes.iter().cloned().map(area).collect();
    assert_eq!(client.load_balanced_view().map_sync(area, shapes.clone(), 1).unwrap(), expected);
    assert_eq!(client.direct_view(..).map_sync(area, shapes).unwrap(), expected);
}

/// A map over nothing.
pub fn nothing_to_do_is_done_at_once(client: &Client) {
    let none = Vec::<f64>::new;
    let lview = client.load_balanced_view();
    let out = lview.map_async(|x: f64| x, none(), 10);
    assert!(out.ready() && out.successful() && out.wait(None));
    assert_eq!(out.get().unwrap(), none());
    assert_eq!((out.iter().count(), out.as_completed().count(), out.chunks().len()), (0, 0, 0));
    assert_eq!(out.progress().elements, 0);
    assert_eq!((out.wall_time(), out.serial_time(), out.speedup()), Default::default());
    assert_eq!(lview.map_sync(|x: f64| x, none(), Auto).unwrap(), none());
    assert_eq!(client.direct_view(..).map_sync(|x: f64| x, none()).unwrap(), none());
    assert_eq!(lview.with(1).map_sync(|_: &i32, x: f64| x, none(), Auto).unwrap(), none());
}
