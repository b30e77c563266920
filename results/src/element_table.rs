//! The datasets that tell what happened to each element.

use hdf5::Group;

use crate::element::{ElementOutcome, ElementRecord};
use crate::storage::{Storage, without_nul};
use crate::texts::Texts;

/// Writes a row for each of `rows` into `group`.
pub(crate) fn write<'e, V: 'e>(
    group: &Group,
    storage: Storage<'_>,
    rows: impl Iterator<Item = (ElementRecord, ElementOutcome<'e, V>)> + Clone,
) -> hdf5::Result<()> {
    let dims = [rows.clone().count()];
    let records = || rows.clone().map(|(record, _)| record);
    storage.fixed(group, "engine", &dims, &records().map(|r| r.engine).collect::<Vec<_>>())?;
    storage.fixed(group, "attempt", &dims, &records().map(|r| r.attempt).collect::<Vec<_>>())?;
    storage.fixed(group, "chunk", &dims, &records().map(|r| r.chunk).collect::<Vec<_>>())?;
    storage.fixed(group, "started_ns", &dims, &records().map(|r| r.started_ns).collect::<Vec<_>>())?;
    storage.fixed(group, "completed_ns", &dims, &records().map(|r| r.completed_ns).collect::<Vec<_>>())?;
    storage.fixed(group, "ran_with", &dims, &records().map(|r| r.ran_with).collect::<Vec<_>>())?;
    storage.fixed(group, "seconds", &dims, &records().map(|r| r.seconds()).collect::<Vec<_>>())?;
    let status: Vec<_> = rows.clone().map(|(_, outcome)| outcome.status()).collect();
    storage.fixed(group, "status", &dims, &status)?;
    let (mut kinds, mut messages) = (Texts::default(), Texts::default());
    for (_, outcome) in rows {
        let (kind, message) = match outcome {
            ElementOutcome::Failed { kind, message } => (kind, message),
            _ => ("", ""),
        };
        kinds.push(&without_nul(kind));
        messages.push(&without_nul(message));
    }
    storage.texts(group, "error_kind", &dims, |element| kinds.get(element))?;
    storage.texts(group, "error", &dims, |element| messages.get(element)).map(drop)
}
