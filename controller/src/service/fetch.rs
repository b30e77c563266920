//! A program on its way to a node, piece by piece from the store's file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use phalanx_programs::Hash;
use phalanx_proto::limits::PART_BYTES;
use phalanx_proto::v1::ProgramPiece;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::programs::Library;

/// Pieces read ahead of the network.
const PIECES_AHEAD: usize = 2;

type Piece = Result<ProgramPiece, Status>;

/// Streams the file at `path`; `turn` is given back with its end.
pub(super) async fn stream(
    library: Arc<Library>,
    hash: Hash,
    path: PathBuf,
    turn: OwnedSemaphorePermit,
) -> Result<ReceiverStream<Piece>, Status> {
    let opened =
        spawn_blocking(move || File::open(&path).and_then(|f| Ok((f.metadata()?.len(), f, path)))).await;
    let opened = opened.map_err(io::Error::other).and_then(|opened| opened);
    let (size, file, path) =
        opened.map_err(|e| Status::unavailable(format!("the program was just evicted: {e}; ask again")))?;
    let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
    let first = ProgramPiece { program: Some(library.describe(&hash, size)), data: Bytes::new() };
    spawn_blocking(move || {
        send_all(first, file, &path, &pieces);
        drop(turn);
    });
    Ok(ReceiverStream::new(stream))
}

/// Sends until the file or the receiver has ended.
fn send_all(first: ProgramPiece, mut file: File, path: &Path, pieces: &mpsc::Sender<Piece>) {
    if pieces.blocking_send(Ok(first)).is_err() {
        return;
    }
    loop {
        let piece = match read_piece(&mut file) {
            Ok(data) if data.is_empty() => return,
            Ok(data) => Ok(ProgramPiece { program: None, data }),
            Err(e) => Err(Status::internal(format!("the controller cannot read {}: {e}", path.display()))),
        };
        let failed = piece.is_err();
        if pieces.blocking_send(piece).is_err() || failed {
            return;
        }
    }
}

fn read_piece(file: &mut File) -> io::Result<Bytes> {
    let mut data = BytesMut::zeroed(PART_BYTES);
    let mut filled = 0;
    while filled < data.len() {
        match file.read(&mut data[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    data.truncate(filled);
    Ok(data.freeze())
}
