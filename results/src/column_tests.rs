//! Columns of rows of every kind.

use std::cell::Cell;

use serde::ser::{SerializeMap as _, Serializer};

use super::*;

/// Eight members, of which another one is text instead of a number in every pass.
struct Fickle<'p> {
    row: usize,
    pass: &'p Cell<usize>,
}

impl Serialize for Fickle<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pass = self.pass.get();
        self.pass.set(pass + self.row);
        let mut map = serializer.serialize_map(None)?;
        for member in 0..8 {
            let key = format!("m{member}");
            if self.row == 1 && member == pass {
                map.serialize_entry(&key, "text")?;
            } else {
                map.serialize_entry(&key, &member)?;
            }
        }
        map.end()
    }
}

#[test]
fn rows_that_differ_every_time_end_as_json() {
    let pass = Cell::new(0);
    let rows = [Fickle { row: 0, pass: &pass }, Fickle { row: 1, pass: &pass }];
    let Ok(Column::Json(texts)) = Column::Unset.fill(rows.iter().enumerate()) else { panic!("no JSON") };
    assert_eq!(pass.get(), PASSES_MAX);
    assert_eq!(texts.get(0), r#"{"m0":0,"m1":1,"m2":2,"m3":3,"m4":4,"m5":5,"m6":6,"m7":7}"#);
    assert!(texts.get(1).contains(r#""m3":"text""#), "{}", texts.get(1));
}

#[test]
fn a_signature_tells_names_types_and_their_order() {
    #[derive(Serialize)]
    struct Body {
        mass: f64,
        spins: Vec<Option<u8>>,
        at: [f32; 2],
    }
    #[derive(Serialize)]
    struct Swapped {
        at: [f32; 2],
        mass: u64,
        spins: Vec<Option<u8>>,
    }
    fn signature<T: Serialize>(rows: &[T]) -> String {
        let Ok(column) = Column::Unset.fill(rows.iter().enumerate()) else { panic!("no column") };
        assert_eq!(column.hollow().signature(), column.signature());
        column.signature()
    }
    let body = |n| Body { mass: 1.0, spins: vec![Some(1); n], at: [0.0; 2] };
    assert_eq!(signature(&[body(2), body(2)]), "{mass: f64, spins: [option<u8>], at: [f32]}");
    let swapped = Swapped { at: [0.0; 2], mass: 1, spins: vec![None, Some(2)] };
    assert_eq!(signature(&[swapped]), "{at: [f32], mass: u64, spins: [option<u8>]}");
}

#[test]
fn rows_of_one_shape_are_walked_once() {
    let walks = Cell::new(0);
    let rows = [[0.5, 1.5], [2.5, 3.5]];
    let counted = rows.iter().enumerate().inspect(|_| walks.set(walks.get() + 1));
    let Ok(Column::Sequence { lengths, items }) = Column::Unset.fill(counted) else { panic!("no sequence") };
    assert_eq!((lengths.equal(), walks.get()), (Some(2), 2));
    assert!(matches!(*items, Column::Scalars(Scalars::F64(values)) if values == [0.5, 1.5, 2.5, 3.5]));
}
