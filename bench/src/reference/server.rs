//! The server that gives back what it gets.

use std::path::Path;

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::wire::Payload;
use super::wire::reference_server::{Reference, ReferenceServer};
use super::{CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, STREAM_WINDOW_BYTES};
use crate::error::Error;

struct Echoing;

#[tonic::async_trait]
impl Reference for Echoing {
    async fn call(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type EchoStream = Streaming<Payload>;

    async fn echo(&self, request: Request<Streaming<Payload>>) -> Result<Response<Self::EchoStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

/// Serves until standard input ends, which it does with the parent.
pub(crate) fn serve(socket: &Path) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::system("a runtime"))?.block_on(async {
        let listener = UnixListener::bind(socket).map_err(Error::system("a Unix socket"))?;
        println!("ready");
        let (gone, parent) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(gone);
        });
        let service = ReferenceServer::new(Echoing)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let serving = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .add_service(service)
            .serve_with_incoming(UnixListenerStream::new(listener));
        tokio::select! {
            outcome = serving => outcome.map_err(|e| Error::Reference(e.to_string())),
            _ = parent => Ok(()),
        }
    })
}
