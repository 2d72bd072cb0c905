//! What one Sentinel publishes.
//!
//! Read from the socket directly: five kinds of lines are less than a client, and the crate that has one serves programs.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use topology::{Addr, SentinelEvent};

/// A subscription to everything a Sentinel publishes.
pub(super) struct Subscription(BufReader<TcpStream>);

impl Subscription {
    /// Subscribed when it returns.
    pub(super) async fn open(sentinel: &Addr) -> io::Result<Self> {
        let mut stream = TcpStream::connect((sentinel.host(), sentinel.port())).await?;
        stream.write_all(b"PSUBSCRIBE *\r\n").await?;
        let mut reader = BufReader::new(stream);
        let words = message(&mut reader).await?;
        if words.first().is_some_and(|word| word == "psubscribe") {
            Ok(Self(reader))
        } else {
            Err(strange(&words.join(" ")))
        }
    }

    /// The next event; one that cannot be read is passed over.
    pub(super) async fn next(&mut self) -> io::Result<SentinelEvent> {
        loop {
            let words = message(&mut self.0).await?;
            if let [kind, _, channel, payload] = &words[..]
                && kind == "pmessage"
                && let Ok(event) = SentinelEvent::parse(channel, payload)
            {
                return Ok(event);
            }
        }
    }
}

/// An array of texts and numbers, which is all that a subscriber is sent.
async fn message(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<String>> {
    let head = line(from).await?;
    let count: usize = number(head.strip_prefix('*'), &head)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let head = line(from).await?;
        if let Some(integer) = head.strip_prefix(':') {
            words.push(integer.to_owned());
            continue;
        }
        let length: usize = number(head.strip_prefix('$'), &head)?;
        let mut bytes = vec![0; length + 2];
        from.read_exact(&mut bytes).await?;
        words.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    Ok(words)
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn number(text: Option<&str>, whole: &str) -> io::Result<usize> {
    text.and_then(|digits| digits.parse().ok())
        .filter(|length| *length < 1_000_000)
        .ok_or_else(|| strange(whole))
}

fn strange(said: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("a Sentinel said {said:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_messages_one_after_the_other() {
        let mut bytes: &[u8] = b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n+sdown\r\n\
            $25\r\nmaster m1 127.0.0.1 12000\r\n";
        assert_eq!(message(&mut bytes).await.unwrap(), ["psubscribe", "*", "1"]);
        let words = message(&mut bytes).await.unwrap();
        assert_eq!(words[2..], ["+sdown", "master m1 127.0.0.1 12000"]);
        assert!(message(&mut bytes).await.is_err());
    }

    #[tokio::test]
    async fn an_error_reply_is_an_error() {
        let mut bytes: &[u8] = b"-NOAUTH Authentication required.\r\n";
        let error = message(&mut bytes).await.unwrap_err();
        assert!(error.to_string().contains("NOAUTH"), "{error}");
    }
}
