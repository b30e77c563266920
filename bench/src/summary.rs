//! `summary.json`: one flat object, for machines.

use std::fs;
use std::path::Path;

use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::figures::Figures;
use crate::peers::Peer;

/// Writes the medians under their keys, with `_min` and `_max` beside them; peers' keys begin with the peer's name.
pub(crate) fn write(path: &Path, figures: &Figures, peers: &[Peer]) -> Result<(), Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let mut text = serde_json::to_string_pretty(&of(figures, peers)).expect("texts and numbers are JSON");
    text.push('\n');
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(wrong)?;
    fs::write(path, text).map_err(wrong)
}

fn of(figures: &Figures, peers: &[Peer]) -> Map<String, Value> {
    let mut object = Map::new();
    // A number that is none (a division by nothing) has no place in JSON.
    let number = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    for (definition, samples) in figures.iter() {
        let values = [("", samples.median()), ("_min", samples.min()), ("_max", samples.max())];
        for (suffix, value) in values {
            object.insert(format!("{}{suffix}", definition.key), value.map_or(Value::Null, number));
        }
    }
    for peer in peers {
        for (key, value) in &peer.figures {
            object.insert(format!("{}_{key}", peer.name), number(*value));
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::GATHER;

    #[test]
    fn it_is_flat_and_read_by_key() {
        let mut figures = Figures::default();
        for value in [300.0, 100.0, 200.0] {
            figures.record(&GATHER, value);
        }
        let peers = [Peer { name: "pool", figures: vec![("apply_rtt_us".to_owned(), 190.0)] }];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join("summary.json");
        write(&path, &figures, &peers).unwrap();
        let read: Map<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["gather_mib_s"], 200.0);
        assert_eq!(read["gather_mib_s_min"], 100.0);
        assert_eq!(read["gather_mib_s_max"], 300.0);
        assert_eq!(read["pool_apply_rtt_us"], 190.0);
        assert_eq!(read.len(), 4);
    }
}
