//! A run's file, looked at after every commit: it opens, and holds what was added so far.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use hdf5::types::{VarLenArray, VarLenUnicode};
use ndarray::{Array1, Array2};
use phalanx_results::{
    ElementOutcome, ElementRecord, OpenError, Recorded, ResultFile, Row, RunFile, RunHeader, RunInfo,
    RunProgress, RunSlot, SaveOptions, StoredRun,
};
use serde::Serialize;

struct Done<V> {
    element: u64,
    value: Option<V>,
    encoded: Vec<u8>,
}

impl<V: Serialize> Recorded for Done<V> {
    type Value<'a>
        = &'a V
    where
        V: 'a;

    fn row(&self) -> Row<'_> {
        let failure = self.value.is_none().then_some(("panic", "seven"));
        let record = ElementRecord { engine: 3, chunk: self.element, ..Default::default() };
        Row { element: self.element, session: 0, failure, encoded: &self.encoded, record }
    }

    fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }
}

fn header(elements: u64) -> RunHeader {
    RunHeader { label: "test".into(), elements: (0..elements).collect(), ..Default::default() }
}

/// Adds rows in steps of `step`, and calls `check` with a copy of the file and the rows in it after each.
fn grow<V: Serialize>(
    values: Vec<Option<V>>,
    step: usize,
    check: impl Fn(&hdf5::File, &[Done<V>]),
) -> RunFile {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.h5");
    let parameters: Vec<f64> = (0..values.len() as u32).map(f64::from).collect();
    let options = SaveOptions::default();
    let progress = RunProgress::default();
    let none: &[Done<V>] = &[];
    let header = header(values.len() as u64);
    let mut run =
        RunSlot::take(&path).unwrap().create(header.clone(), &parameters, &progress, none, &options).unwrap();
    let look = |rows: &[Done<V>]| {
        let copy = directory.path().join("copy.h5");
        std::fs::copy(&path, &copy).unwrap();
        let file = hdf5::File::open(&copy).unwrap();
        assert_eq!(file.dataset("parameters").unwrap().read_raw::<f64>().unwrap(), parameters);
        let elements: Vec<u64> = rows.iter().map(|row| row.element).collect();
        assert_eq!(file.dataset("elements/element").unwrap().read_raw::<u64>().unwrap(), elements);
        let errors = file.dataset("elements/error").unwrap().read_raw::<VarLenUnicode>().unwrap();
        let failed = |row: &Done<V>| if row.value.is_none() { "seven" } else { "" };
        assert!(errors.iter().map(|e| e.as_str()).eq(rows.iter().map(failed)));
        check(&file, rows);
        drop(file);
        let stored = StoredRun::read(&copy).unwrap();
        let outcome = |row: &Done<V>| match row.value {
            Some(_) => Ok(row.encoded.clone()),
            None => Err(("panic".to_owned(), "seven".to_owned())),
        };
        assert!(stored.rows.iter().map(|row| row.outcome.clone()).eq(rows.iter().map(outcome)));
        assert!(stored.rows.iter().map(|row| row.record).eq(rows.iter().map(|row| row.row().record)));
        assert_eq!(stored.header, header);
    };
    look(none);
    let mut rows = Vec::new();
    for (element, value) in values.into_iter().enumerate() {
        let encoded = if value.is_some() { vec![element as u8; 1 + element % 3] } else { Vec::new() };
        rows.push(Done { element: element as u64, value, encoded });
        if rows.len() % step == 0 {
            run.append(&progress, &rows).unwrap();
            look(&rows);
        }
    }
    run.append(&progress, &rows).unwrap();
    look(&rows);
    rows.reverse();
    run.finish(&progress, &rows, true).unwrap();
    look(&rows);
    assert!(hdf5::File::open(&path).unwrap().attr("complete").unwrap().read_scalar::<bool>().unwrap());
    run
}

#[test]
fn numbers_over_many_chunks() {
    let values = (0..20_000).map(|i| (i % 1000 != 7).then_some(f64::from(i) * 0.5)).collect();
    grow(values, 1777, |file, rows| {
        let dataset = file.dataset("values").unwrap();
        assert!(dataset.is_chunked() && dataset.is_resizable());
        let read = dataset.read_raw::<f64>().unwrap();
        assert_eq!(read.len(), rows.len());
        for (read, row) in read.iter().zip(rows) {
            assert!(row.value.map_or(read.is_nan(), |value| value == *read));
        }
    });
}

#[test]
fn arrays_of_one_shape_are_one_dataset() {
    let value = |i: usize| Array2::from_shape_fn((40, 50), |(x, y)| (i * 10_000 + x * 100 + y) as f32);
    // A batch in which all failed tells nothing of the shape.
    let values = (0..60).map(|i| (!(20..30).contains(&i)).then(|| value(i))).collect();
    grow(values, 10, |file, rows| {
        if rows.is_empty() {
            return;
        }
        let dataset = file.dataset("values").unwrap();
        assert_eq!(dataset.shape(), [rows.len(), 40, 50]);
        let read = dataset.read::<f32, ndarray::Ix3>().unwrap();
        for (read, row) in read.outer_iter().zip(rows) {
            assert!(row.value.as_ref().map_or(read.iter().all(|x| x.is_nan()), |value| value == read));
        }
    });
}

#[test]
fn arrays_whose_shapes_begin_to_differ_are_written_anew() {
    let value =
        |i: usize| Array1::from_elem(if (i / 25).is_multiple_of(2) { 3 } else { 1 + i % 4 }, i as f64);
    let values = (0..150).map(|i| Some(value(i))).collect();
    grow(values, 25, |file, rows| {
        if rows.len() > 25 {
            let data = file.dataset("values/data").unwrap().read_raw::<VarLenArray<f64>>().unwrap();
            assert!(data.iter().zip(rows).all(|(read, row)| {
                row.value.as_ref().is_some_and(|v| v.as_slice() == Some(read.as_slice()))
            }));
        }
    });
}

#[derive(Serialize)]
struct Measured {
    name: String,
    mean: f64,
    best: Option<[i32; 2]>,
    samples: Vec<u16>,
    note: Vec<String>,
}

#[test]
fn structs_with_all_kinds_of_members() {
    let value = |i: usize| Measured {
        name: format!("n{i}"),
        mean: i as f64,
        best: (i.is_multiple_of(3)).then_some([i as i32, -1]),
        samples: vec![i as u16; if i < 40 { 2 } else { i % 5 }],
        note: vec!["x".to_owned(); i / 60],
    };
    let values = (0..100).map(|i| Some(value(i))).collect();
    grow(values, 7, |file, rows| {
        if rows.is_empty() {
            return;
        }
        let names = file.dataset("values/name").unwrap().read_raw::<VarLenUnicode>().unwrap();
        assert!(names.iter().zip(rows).all(|(read, row)| row.value.as_ref().unwrap().name == read.as_str()));
        let best = file.dataset("values/best").unwrap().read_raw::<i32>();
        if rows.len() > 40 {
            assert_eq!(best.unwrap().len(), 2 * rows.len());
            let samples = file.dataset("values/samples").unwrap().read_raw::<VarLenArray<u16>>().unwrap();
            let same = |(read, row): (&VarLenArray<u16>, &Done<Measured>)| {
                read.as_slice() == row.value.as_ref().unwrap().samples
            };
            assert!(samples.iter().zip(rows).all(same));
        }
    });
}

#[derive(Serialize)]
enum Outcome {
    Nothing,
    Found { at: f64 },
    Many(Vec<f64>),
}

#[test]
fn enums_with_data_are_written_whole_every_time() {
    let value = |i: u32| match i % 3 {
        _ if i < 10 => Outcome::Nothing,
        0 => Outcome::Nothing,
        1 => Outcome::Found { at: f64::from(i) },
        _ => Outcome::Many(vec![1.0; i as usize]),
    };
    let values = (0..50).map(|i| Some(value(i))).collect();
    grow(values, 10, |file, rows| {
        if rows.len() > 10 {
            let at = file.dataset("values/data/Found/value/at").unwrap().read_raw::<f64>().unwrap();
            let mut expected: Vec<f64> = rows
                .iter()
                .filter_map(|row| match row.value {
                    Some(Outcome::Found { at }) => Some(at),
                    _ => None,
                })
                .collect();
            expected.sort_by(f64::total_cmp);
            let mut at = at;
            at.sort_by(f64::total_cmp);
            assert_eq!(at, expected);
        }
    });
}

/// Many small commits: what the old records took is given back now and then.
#[test]
fn a_file_of_many_commits_stays_small() {
    let values = (0..3000).map(|i| Some(f64::from(i))).collect();
    let run = grow(values, 10, |file, _| assert!(file.size() < 40 << 20, "{}", file.size()));
    drop(run);
}

#[test]
fn a_file_in_use_is_told_from_one_that_exists() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs/run.h5");
    let none: &[Done<f64>] = &[];
    let create = |overwrite| {
        let options = SaveOptions { overwrite, ..Default::default() };
        RunSlot::take(&path)?.create(header(1), &[1.0], &RunProgress::default(), none, &options)
    };
    let run = create(false).unwrap();
    assert!(create(true).unwrap_err().to_string().contains("is being written by process"));
    drop(run);
    assert!(create(false).unwrap_err().to_string().contains("exists already"));
    create(true).unwrap();
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn what_is_no_run_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let error = |name: &str| StoredRun::read(&path(name)).unwrap_err();
    assert!(matches!(error("none.h5"), OpenError::Io { .. }));
    std::fs::write(path("text.h5"), "element,value").unwrap();
    assert!(matches!(error("text.h5"), OpenError::NotHdf5 { .. }));
    std::fs::write(path("empty.h5"), "").unwrap();
    assert!(matches!(error("empty.h5"), OpenError::NotHdf5 { .. }));
    hdf5::File::create(path("foreign.h5")).unwrap().create_group("elements").unwrap();
    assert!(matches!(error("foreign.h5"), OpenError::Foreign { .. }));
    let rows: Vec<_> = (0..500)
        .map(|element| Done { element, value: Some(element as f64), encoded: element.to_le_bytes().to_vec() })
        .collect();
    let save = ResultFile::new(&RunInfo::default(), [ElementOutcome::Value(1)], &[ElementRecord::default()])
        .save(path("saved.h5"), &SaveOptions::default());
    assert!(matches!(error(save.unwrap().file_name().unwrap().to_str().unwrap()), OpenError::Foreign { .. }));
    let parameters = vec![0u8; 500];
    let options = SaveOptions::default();
    let whole = path("whole.h5");
    let progress = RunProgress::default();
    drop(
        RunSlot::take(&whole).unwrap().create(header(500), &parameters, &progress, &rows, &options).unwrap(),
    );
    let bytes = std::fs::read(&whole).unwrap();
    for length in (8..bytes.len()).step_by(bytes.len() / 40) {
        std::fs::write(path("cut.h5"), &bytes[..length]).unwrap();
        assert!(matches!(error("cut.h5"), OpenError::Damaged { .. }), "{length} of {}", bytes.len());
    }
}
