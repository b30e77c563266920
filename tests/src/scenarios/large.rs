//! Payloads beyond every frame, message and buffer on the way.

use ndarray::Array1;
use phalanx::{Auto, Client};

/// 64 MiB there, changed in place, and back.
pub fn scatter_and_gather(client: &Client) {
    let n = 8 << 20;
    let values = Array1::from_shape_fn(n, |i| i as f64);
    let dview = client.direct_view(..);
    dview.scatter("big", &values).get().unwrap();
    let sizes = dview.execute(|ns| {
        let part = ns.get_mut::<Array1<f64>>("big").unwrap();
        *part += 0.5;
        part.len()
    });
    assert_eq!(sizes.get().unwrap(), [n / 4; 4]);
    let back: Array1<f64> = dview.gather("big").get().unwrap();
    assert_eq!(back, values + 0.5);
    dview.clear().get().unwrap();
}

/// Elements of 20 MiB each, in both directions.
pub fn an_element_over_every_frame(client: &Client) {
    let element = |seed: u8| (0..20 << 20).map(|i: u32| (i as u8) ^ seed).collect::<Vec<u8>>();
    let elements: Vec<Vec<u8>> = [3, 5, 7].map(element).to_vec();
    let out = client.load_balanced_view().map_sync(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        elements.clone(),
        1,
    );
    let mut out = out.unwrap();
    out.iter_mut().for_each(|bytes| bytes.reverse());
    assert!(out == elements, "the bytes differ");
}

/// A million chunks of one element: each run once, none lost.
pub fn a_million_chunks(client: &Client) {
    let n = 1_000_000;
    let out = client.load_balanced_view().map_async(|i: u32| i ^ 0x5555, 0..n, 1);
    assert!(out.get().unwrap().into_iter().eq((0..n).map(|i| i ^ 0x5555)));
    let progress = out.progress();
    assert_eq!((progress.chunks_done, progress.chunks), (u64::from(n), Some(u64::from(n))));
    let chunks = out.chunks();
    assert_eq!(chunks.len(), n as usize);
    assert!(chunks.iter().enumerate().all(|(i, c)| (c.index, c.elements) == (i as u64, 1)));
}

/// 100 000 texts of lengths from 0 to 96.
pub fn elements_of_many_lengths(client: &Client) {
    let texts = || (0..100_000_usize).map(|i| "å".repeat(i * 7 % 49));
    let expected: Vec<(usize, String)> = texts().map(|s| (s.chars().count(), s)).collect();
    let count = |s: String| (s.chars().count(), s);
    assert!(client.load_balanced_view().map_sync(count, texts(), Auto).unwrap() == expected);
    assert!(client.load_balanced_view().map_sync(count, texts(), 333).unwrap() == expected);
    assert!(client.direct_view(..).map_sync(count, texts()).unwrap() == expected);
}

/// 2.2 million results of differing lengths in one chunk: nobody chooses how long those of a direct call are.
pub fn a_chunk_whose_lengths_are_more_than_a_message(client: &Client) {
    let n = 2_200_000_u32;
    let odd = client.direct_view(0).map_sync(|x: u32| (x % 2 == 1).then_some(x), 0..n).unwrap();
    assert!(odd.into_iter().eq((0..n).map(|x| (x % 2 == 1).then_some(x))));
    // The daemon of the engine is the one that it was, with its namespaces.
    assert_eq!(client.ids(), [0, 1, 2, 3]);
}

/// 32 MiB that go along with every element, and travel once per worker.
pub fn a_context_over_every_frame(client: &Client) {
    let table: Vec<f64> = (0..4 << 20).map(f64::from).collect();
    let last = table.len() - 1;
    let indices = || (0..64).map(move |i| last - i * 1000);
    let lview = client.load_balanced_view().with(table.clone());
    let out = lview.map_sync(|t: &Vec<f64>, i: usize| t[i], indices(), 1).unwrap();
    assert!(out.into_iter().eq(indices().map(|i| i as f64)));
    let out = client.direct_view(..).with(table).map_sync(|t: &Vec<f64>, i: usize| t[i], indices()).unwrap();
    assert!(out.into_iter().eq(indices().map(|i| i as f64)));
}
