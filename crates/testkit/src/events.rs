//! A listener to Server-Sent Events, which reads a stream as a browser does.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use topology::Addr;

const DEADLINE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its word.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON; fails the test when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.data))
    }
}

/// An open stream.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<TcpStream>,
    /// The status line and the headers.
    pub head: String,
}

impl Events {
    /// Asks for `path`, with the id of the last event that was heard, and reads the head of the answer.
    pub async fn listen(addr: &Addr, path: &str, last: Option<&str>) -> io::Result<Self> {
        let mut stream = TcpStream::connect((addr.host(), addr.port())).await?;
        let last = last
            .map(|id| format!("Last-Event-ID: {id}\r\n"))
            .unwrap_or_default();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut events = Self {
            stream: BufReader::new(stream),
            head: String::new(),
        };
        while let Some(line) = events.line().await? {
            if line.is_empty() {
                return Ok(events);
            }
            events.head.push_str(&line);
            events.head.push('\n');
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"))
    }

    /// The next event; none at the end of the stream. Comments, and the framing of chunks, are passed over.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        while let Some(line) = self.line().await? {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) => event.data.push_str(data),
                Some(_) | None if line.is_empty() && !event.name.is_empty() => return Ok(Some(event)),
                Some(_) | None => {}
            }
        }
        Ok(None)
    }

    /// The next event of this name; fails the test at the end of the stream.
    pub async fn next_named(&mut self, name: &str) -> Event {
        loop {
            match self.next().await {
                Ok(Some(event)) if event.name == name => return event,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended before `{name}`"),
                Err(error) => panic!("no event `{name}`: {error}"),
            }
        }
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        match tokio::time::timeout(DEADLINE, self.stream.read_line(&mut line)).await {
            Ok(Ok(0)) => Ok(None),
            Ok(Ok(_)) => Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "silence")),
        }
    }
}
