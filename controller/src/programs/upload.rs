//! A client sends its program.

use std::sync::Arc;

use bytes::Bytes;
use phalanx_programs::{Receiver, StoreError, hex};
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::{Library, Progress};
use crate::parse::ProgramInfo;

/// Why an upload ended.
#[derive(Debug, Error)]
pub(crate) enum UploadError {
    /// Nobody asked, or another upload of it is under way.
    #[error("nobody waits for the program {hash}: it is sent only when the controller asks for it")]
    Unwanted { hash: String },
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The controller is shutting down.
    #[error("the controller is shutting down")]
    Stopped,
}

/// An upload under way. Dropped before its end, it has failed.
pub(crate) struct Upload {
    library: Arc<Library>,
    program: ProgramInfo,
    receiver: Option<Receiver>,
    ended: bool,
}

impl Upload {
    /// Begins to receive `program`, if it is wanted and nobody sends it yet.
    pub(crate) async fn begin(library: Arc<Library>, program: ProgramInfo) -> Result<Self, UploadError> {
        {
            let mut state = library.state();
            let wanted = state.wanted.get_mut(&program.hash).filter(|w| w.asked.is_some() && !w.receiving);
            let wanted = wanted.ok_or_else(|| UploadError::Unwanted { hash: hex(&program.hash) })?;
            wanted.receiving = true;
        }
        let mut upload = Self { library, program, receiver: None, ended: false };
        let (store, hash, size) = (upload.library.store.clone(), upload.program.hash, upload.program.size);
        let begun = blocking(move || store.begin(&hash, size)).await;
        upload.receiver = Some(upload.noted(begun)?);
        Ok(upload)
    }

    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), UploadError> {
        let mut receiver = self.receiver.take().ok_or(UploadError::Stopped)?;
        let written = blocking(move || receiver.write(&piece).map(|()| receiver)).await;
        self.receiver = Some(self.noted(written)?);
        self.report(Progress::Receiving);
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), UploadError> {
        let receiver = self.receiver.take().ok_or(UploadError::Stopped)?;
        let finished = blocking(move || receiver.finish()).await;
        let path = self.noted(finished)?;
        self.ended = true;
        self.report(Progress::Stored(path));
        Ok(())
    }

    /// Tells those who wait why it failed.
    fn noted<T>(&mut self, result: Result<T, UploadError>) -> Result<T, UploadError> {
        if let Err(e) = &result {
            self.ended = true;
            self.report(Progress::Failed(e.to_string().into()));
        }
        result
    }

    fn report(&self, progress: Progress) {
        if let Some(wanted) = self.library.state().wanted.get(&self.program.hash) {
            wanted.progress.send_replace(progress);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.ended {
            self.report(Progress::Failed("the client stopped sending it".into()));
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, UploadError> {
    match spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(UploadError::Stopped),
    }
}
