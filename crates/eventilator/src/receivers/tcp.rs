//! Some bytes over TCP to a receiver that may answer, or not.
//!
//! All is written, then nothing more will be, and the receiver hears so; then its answer is waited for, shortly. Without that wait a receiver that
//! closed before it had read all of it would be taken for one that got it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::sink::SinkError;

/// More of an answer is not read.
const ANSWER: usize = 1024;

/// Whom to tell, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// For all of it.
    pub(super) within: Duration,
    /// For the answer.
    pub(super) patience: Duration,
}

impl Peer<'_> {
    /// Writes all of it; what was answered in time, which may be nothing.
    pub(super) async fn tell(self, bytes: &[u8]) -> Result<Vec<u8>, SinkError> {
        let end = Instant::now() + self.within;
        let late = |_| {
            SinkError::Failed(format!(
                "{} took nothing within {} ms",
                self.place(),
                self.within.as_millis()
            ))
        };
        let mut stream = timeout_at(end, self.connect()).await.map_err(late)??;
        let written = async {
            stream.write_all(bytes).await?;
            stream.shutdown().await
        };
        let broke =
            |error: io::Error| SinkError::Failed(format!("{} broke the connection: {error}", self.place()));
        timeout_at(end, written).await.map_err(late)?.map_err(broke)?;
        let mut answer = Vec::new();
        let patience = self.patience.min(end.saturating_duration_since(Instant::now()));
        let mut part = stream.take(ANSWER as u64);
        match timeout(patience, part.read_to_end(&mut answer)).await {
            Ok(Err(error)) => Err(broke(error)),
            // What came before the time was over counts.
            Ok(Ok(_)) | Err(_) => Ok(answer),
        }
    }

    async fn connect(self) -> Result<TcpStream, SinkError> {
        // Names with several addresses are tried one after the other; the system's own patience is longer than ours.
        TcpStream::connect((self.host, self.port))
            .await
            .map_err(|error| SinkError::Failed(format!("no connection to {}: {error}", self.place())))
    }

    fn place(self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
