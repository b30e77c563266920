//! The two views: every engine at once, or wherever there is room.

mod array;
mod balanced;
mod balanced_calls;
mod balanced_place;
mod balanced_stream;
mod balanced_with;
mod chunksize;
mod direct;
mod direct_names;
mod direct_with;
mod shape;
mod targets;

pub use array::{Gather, Scatter};
pub use balanced::LoadBalancedView;
pub use balanced_with::LoadBalancedWith;
pub use chunksize::{Auto, Chunksize};
pub use direct::DirectView;
pub use direct_with::DirectWith;
pub use shape::{Many, One, Shape};
pub use targets::{All, Targets};

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{self, CodecError, Elements, ElementsBuilder, Value};
use crate::error::{Error, Result};
use crate::job::{JobHandle, JobPlan, JobSpec};
use crate::result::AsyncMapResult;
use crate::session::Session;
use crate::worker::{BadEntry, Function};

impl From<BadEntry> for Error {
    fn from(e: BadEntry) -> Self {
        Self::BadFunction(e.to_string())
    }
}

/// Encodes what a map runs over.
pub(crate) fn encoded<A: Value>(items: impl IntoIterator<Item = A>) -> Result<Elements, CodecError> {
    let items = items.into_iter();
    let mut elements = ElementsBuilder::with_capacity(items.size_hint().0);
    for item in items {
        elements.push(&item)?;
    }
    Ok(elements.finish())
}

/// A context's bytes.
pub(crate) fn context<C: serde::Serialize + 'static>(value: &C) -> Result<Bytes, CodecError> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes)?;
    Ok(bytes.into())
}

/// Submits what a view has put together, with values `R`; what went wrong until here shows when the result is asked for.
pub(crate) fn submit<R: 'static>(session: &Arc<Session>, spec: Result<JobSpec>) -> JobHandle {
    let job = match spec {
        Ok(spec) => session.submit(JobSpec { result_type: std::any::type_name::<R>(), ..spec }),
        Err(e) => session.stillborn(nothing(), e),
    };
    JobHandle { job, session: Arc::clone(session) }
}

fn nothing() -> JobSpec {
    let function = Function { entry: 0, label: "", own_worker: false };
    JobSpec::new(function, Elements::default(), Bytes::new(), JobPlan::Balanced { chunksize: 0 })
}

/// The result of a map.
#[cfg(feature = "hdf5")]
pub(crate) fn map_result<A: Value, R: Value>(handle: JobHandle) -> AsyncMapResult<R> {
    AsyncMapResult::new(handle, crate::save::saver::<A, R>)
}

/// The result of a map whose elements share a value.
#[cfg(feature = "hdf5")]
fn map_result_with<C: Value, A: Value, R: Value>(handle: JobHandle) -> AsyncMapResult<R> {
    AsyncMapResult::new(handle, crate::save::saver_with::<C, A, R>)
}

/// The result of a map.
#[cfg(not(feature = "hdf5"))]
#[expect(clippy::extra_unused_type_parameters, reason = "they are for files")]
pub(crate) fn map_result<A: Value, R: Value>(handle: JobHandle) -> AsyncMapResult<R> {
    AsyncMapResult::new(handle)
}

/// The result of a map whose elements share a value.
#[cfg(not(feature = "hdf5"))]
#[expect(clippy::extra_unused_type_parameters, reason = "they are for files")]
fn map_result_with<C: Value, A: Value, R: Value>(handle: JobHandle) -> AsyncMapResult<R> {
    AsyncMapResult::new(handle)
}
