//! What goes wrong in a user's function, or in how it is called.

use std::path::PathBuf;

use phalanx::{Auto, Client, Error, RemoteError, RemoteErrorKind};

use super::Latch;

fn remote(error: Error) -> Vec<RemoteError> {
    match error {
        Error::Remote(errors) => errors.errors,
        other => panic!("expected an error of elements, not {other:?}"),
    }
}

/// Its siblings in the chunk keep their values; the error names element, engine, place.
pub fn a_panic_fails_its_element_alone(client: &Client) {
    let reciprocal = |x: i32| {
        assert!(x != 5, "five is right out");
        x * 2
    };
    for chunksize in [1, 4, 10] {
        let out = client.load_balanced_view().map_async(reciprocal, 0..10, chunksize);
        let errors = remote(out.get().unwrap_err());
        assert_eq!(errors.len(), 1);
        let e = &errors[0];
        assert_eq!((e.element, e.kind), (5, RemoteErrorKind::Panic));
        assert!(e.engine.is_some_and(|id| client.ids().contains(&id)));
        assert!(e.message.contains("five is right out") && e.location.contains("failures.rs:"), "{e:?}");
        assert!(!out.successful() && out.ready());
        let values: Vec<_> = out.results().into_iter().map(Result::ok).collect();
        let expected: Vec<_> = (0..10).map(|x| (x != 5).then_some(x * 2)).collect();
        assert_eq!(values, expected);
        assert_eq!(out.progress().elements_failed, 1);
    }
    let errors = remote(client.direct_view(..).map_sync(reciprocal, 0..10).unwrap_err());
    assert_eq!((errors[0].element, errors[0].engine), (5, Some(1)));
    let errors = remote(client.direct_view(2).apply(reciprocal, (5,)).get().unwrap_err());
    assert_eq!(errors[0].engine, Some(2));
}

/// A thousand errors are one readable message.
pub fn errors_of_every_element(client: &Client) {
    let always = |x: u32| -> u32 { panic!("number {x}") };
    let error = client.load_balanced_view().map_sync(always, 0..1000, Auto).unwrap_err();
    let text = error.to_string();
    let errors = remote(error);
    assert!(
        errors.iter().enumerate().all(|(i, e)| e.element == i as u64 && e.message == format!("number {i}"))
    );
    assert_eq!(errors.len(), 1000);
    assert!(text.starts_with("1000 of 1000 elements failed:") && text.contains("and 996 more"), "{text}");
    let on_each =
        remote(client.direct_view(..).apply(|| -> () { panic!("all of us") }, ()).get().unwrap_err());
    assert_eq!(on_each.iter().map(|e| e.engine).collect::<Vec<_>>(), [0, 1, 2, 3].map(Some));
}

/// Where so much fails in one chunk, that is said once, and not much later.
pub fn more_of_one_chunk_than_a_report_tells(client: &Client) {
    let n = 300_000_u32;
    let refuse = |x: u32| if x > 10 { Err(format!("{x} is too much")) } else { Ok(x) };
    let lview = client.load_balanced_view();
    let out = lview.try_map_async(refuse, 0..n, n as usize);
    let results = out.results();
    assert_eq!(results.len(), n as usize);
    let e = results[0].as_ref().unwrap_err();
    let expected = "more than 100000 elements of its chunk failed, which was given up, the first with: 11 is too much; use a smaller chunksize";
    assert!(e.message.starts_with(expected), "{e}");
    assert!(results.iter().all(Result::is_err), "a part of what cannot be told");
    // In chunks whose failures can be told they are.
    let out = lview.try_map_async(refuse, 0..n, 90_000);
    let results = out.results();
    assert!((0..=10).all(|x| results[x] == Ok(x as u32)));
    let e = results[n as usize - 1].as_ref().unwrap_err();
    assert_eq!((e.element, e.message.as_str()), (u64::from(n) - 1, ""));
    assert_eq!(client.ids(), [0, 1, 2, 3]);
}

/// `Err` is a failure of its element, in its own words.
pub fn an_error_of_a_fallible_function(client: &Client) {
    let parse = |s: String| s.parse::<f64>();
    let texts = || ["1.5", "x", "2.5"].map(str::to_owned);
    let out = client.load_balanced_view().try_map_async(parse, texts(), 3);
    let results = out.results();
    assert_eq!((&results[0], &results[2]), (&Ok(1.5), &Ok(2.5)));
    let e = results[1].as_ref().unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (RemoteErrorKind::Error, "invalid float literal"));
    let failing =
        client.direct_view(1..).try_execute(|ns| if ns.engine() == 2 { Err("not here") } else { Ok(1) });
    let errors = remote(failing.get().unwrap_err());
    assert_eq!((errors.len(), errors[0].engine, errors[0].message.as_str()), (1, Some(2), "not here"));
}

/// Notes a try at element `i` on disk, and says which it is, from 1.
fn count_a_try(directory: &std::path::Path, i: u32) -> u32 {
    let mine = |n: &u32| {
        let file = directory.join(format!("{i}-{n}"));
        std::fs::OpenOptions::new().write(true).create_new(true).open(file).is_ok()
    };
    (1..).find(mine).expect("a number that is free")
}

/// Elements that fail twice and then work: each is tried three times, the others once.
pub fn retries_until_it_works(client: &Client) {
    let marks = Latch::new();
    let directory = marks.folder();
    let out = client.load_balanced_view().retries(2).with(directory.clone()).try_map_async(
        |directory: &PathBuf, i: u32| {
            let nth = count_a_try(directory, i);
            if i.is_multiple_of(5) && nth < 3 { Err(format!("try {nth} of {i}")) } else { Ok((i, nth)) }
        },
        0..20,
        4,
    );
    let expected: Vec<_> = (0..20).map(|i| (i, if u32::is_multiple_of(i, 5) { 3 } else { 1 })).collect();
    assert_eq!(out.get().unwrap(), expected);
    assert!(out.successful());
    // An assignment that was taken back unstarted counts as an attempt too.
    assert!(out.chunks().iter().any(|c| c.attempt >= 3));
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), 16 + 4 * 3);
}

/// With too few, the last error stands, and says which attempt it was.
pub fn retries_run_out(client: &Client) {
    let marks = Latch::new();
    let directory = marks.folder();
    let out = client.load_balanced_view().retries(2).with(directory.clone()).map_async(
        |directory: &PathBuf, i: u32| {
            let nth = count_a_try(directory, i);
            assert!(i != 1, "try {nth}");
            i
        },
        0..3,
        3,
    );
    let results = out.results();
    assert_eq!((&results[0], &results[2]), (&Ok(0), &Ok(2)));
    let e = results[1].as_ref().unwrap_err();
    assert!(e.attempt >= 3 && e.message == "try 3", "{e:?}");
    assert!(e.to_string().contains("attempt "), "{e}");
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), 2 + 3);
}

/// Told apart from panics, with the names there are and the types they have.
pub fn missing_names_and_wrong_types(client: &Client) {
    let dview = client.direct_view(..2);
    dview.push("there", &1.5_f64).get().unwrap();
    let one = |e: Error| {
        let text = e.to_string();
        (remote(e)[0].kind, text)
    };
    let (kind, text) = one(dview.pull::<f64>("absent").get().unwrap_err());
    assert_eq!(kind, RemoteErrorKind::Name);
    assert!(text.contains("engine 0 has no value named \"absent\"; it has there"), "{text}");
    let (kind, text) = one(dview.gather::<Vec<f64>>("absent").get().unwrap_err());
    assert_eq!(kind, RemoteErrorKind::Name);
    assert!(text.contains("\"absent\""), "{text}");
    let (kind, text) = one(dview.pull::<i64>("there").get().unwrap_err());
    assert_eq!(kind, RemoteErrorKind::Type);
    assert!(text.contains("\"there\" on engine 0 is of type f64, not i64"), "{text}");
    let (kind, _) = one(dview.execute(|ns| *ns.at::<u8>("nothing")).get().unwrap_err());
    assert_eq!(kind, RemoteErrorKind::Name);
    assert_eq!(dview.pull::<f64>("there").get().unwrap(), [1.5, 1.5]);
}

/// Zero and less are refused before anything is sent, with what to give instead.
pub fn bad_chunk_sizes(client: &Client) {
    let lview = client.load_balanced_view();
    for bad in [0, -1, i32::MIN] {
        let out = lview.map_async(|x: i32| x, 0..3, bad);
        let error = out.get().unwrap_err();
        assert!(matches!(error, Error::BadChunksize(n) if n == i64::from(bad)), "{error:?}");
        assert!(error.to_string().contains("give a positive number or Auto"), "{error}");
        assert!(out.ready() && !out.successful());
        assert!(out.wait_interactive().is_err());
    }
    assert_eq!(lview.map_sync(|x: i32| x, 0..3, u64::MAX).unwrap(), [0, 1, 2]);
}

/// Named, with those there are.
pub fn unknown_engines(client: &Client) {
    let error = client.direct_view(9).apply(|| 1, ()).get().unwrap_err();
    assert_eq!(error.to_string(), "engine 9 does not exist; there are engines 0, 1, 2, 3");
    assert!(matches!(client.direct_view([0, 7]).targets(), Err(Error::UnknownEngine { engine: 7, .. })));
    assert!(matches!(client.direct_view(-5).targets(), Err(Error::UnknownEngine { engine: -5, .. })));
    let error = client.direct_view(4..).map_sync(|x: i32| x, [1]).unwrap_err();
    assert!(matches!(error, Error::NoEngineInRange { engines: 4 }), "{error}");
    assert_eq!(client.direct_view(0).apply(|| 1, ()).get().unwrap(), 1);
}
