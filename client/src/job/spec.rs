//! What a job is to do.

use std::sync::Arc;

use bytes::Bytes;

use super::options::JobOptions;
use crate::codec::Elements;
use crate::worker::Function;

/// What a view asks for.
pub(crate) struct JobSpec {
    pub(crate) function: Function,
    pub(crate) elements: Elements,
    pub(crate) context: Bytes,
    pub(crate) plan: JobPlan,
    pub(crate) options: JobOptions,
    /// Which element of a run each of these is, when that is not its place here.
    pub(crate) numbers: Option<Arc<[u64]>>,
    /// What its values are made of.
    pub(crate) result_type: &'static str,
}

impl JobSpec {
    /// A job like any other, of elements that are its own.
    pub(crate) fn new(function: Function, elements: Elements, context: Bytes, plan: JobPlan) -> Self {
        Self {
            function,
            elements,
            context,
            plan,
            options: JobOptions::default(),
            numbers: None,
            result_type: "",
        }
    }
}

/// Where elements go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobPlan {
    /// Wherever there is room; 0 is automatic.
    Balanced { chunksize: u64 },
    /// The i-th block of the elements on the i-th of these.
    Direct { targets: Vec<u32> },
}
