//! The client of the bare server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use super::wire::Payload;
use super::wire::reference_client::ReferenceClient;
use super::{
    CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, STREAM_MESSAGE_BYTES, STREAM_WINDOW_BYTES,
};
use crate::error::Error;
use crate::process::own_executable;

/// A bare tonic server, and a connection to it. Dropping it ends both.
pub(crate) struct Bare {
    client: ReferenceClient<Channel>,
    runtime: Runtime,
    server: Child,
    _folder: TempDir,
}

impl Bare {
    pub(crate) fn start() -> Result<Self, Error> {
        let folder =
            tempfile::Builder::new().prefix("phalanx-bench-").tempdir().map_err(Error::system("a folder"))?;
        let socket = folder.path().join("reference.sock");
        let program = own_executable()?;
        let mut server = Command::new(&program)
            .arg("reference")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let mut line = String::new();
        let stdout = server.stdout.take().expect("it was piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(Error::system("the reference server's output"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::system("a runtime"))?;
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://reference")
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX);
        let channel = runtime
            .block_on(endpoint.connect_with_connector(connector))
            .map_err(|e| Error::Reference(e.to_string()))?;
        let client = ReferenceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { client, runtime, server, _folder: folder })
    }

    /// The times of `calls` unary calls, one after the other, of eight bytes each way.
    pub(crate) fn calls(&mut self, calls: usize) -> Result<Vec<Duration>, Error> {
        let client = &mut self.client;
        self.runtime.block_on(async {
            let mut times = Vec::with_capacity(calls);
            for i in 0..calls {
                let data = Bytes::copy_from_slice(&(i as u64).to_le_bytes());
                let started = Instant::now();
                let answer =
                    client.call(Payload { data: data.clone() }).await.map_err(refused)?.into_inner().data;
                times.push(started.elapsed());
                if answer != data {
                    return Err(Error::Wrong("the reference call"));
                }
            }
            Ok(times)
        })
    }

    /// Sends the bytes over one stream in messages of 4 MiB and waits until the last of them is back.
    pub(crate) fn echo(&mut self, bytes: &Bytes) -> Result<Duration, Error> {
        let messages: Vec<Payload> = (0..bytes.len())
            .step_by(STREAM_MESSAGE_BYTES)
            .map(|at| Payload { data: bytes.slice(at..bytes.len().min(at + STREAM_MESSAGE_BYTES)) })
            .collect();
        let client = &mut self.client;
        self.runtime.block_on(async {
            let started = Instant::now();
            let mut answers = client.echo(tokio_stream::iter(messages)).await.map_err(refused)?.into_inner();
            let mut received = 0;
            while let Some(answer) = answers.message().await.map_err(refused)? {
                received += answer.data.len();
            }
            let took = started.elapsed();
            if received == bytes.len() { Ok(took) } else { Err(Error::Wrong("the reference stream")) }
        })
    }
}

fn refused(status: tonic::Status) -> Error {
    Error::Reference(status.to_string())
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Its standard input ends with this, and so does it; killing it only makes that certain.
        drop(self.server.stdin.take());
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
