//! GET over a plain connection: what came back, to the byte.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use topology::Addr;

const DEADLINE: Duration = Duration::from_secs(5);

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of a chunked one.
    pub body: String,
}

impl Response {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(seen, _)| seen == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; fails the test when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }
}

/// GETs `path` from `addr` within 5 s.
pub async fn get(addr: &Addr, path: &str) -> io::Result<Response> {
    request(addr, "GET", path).await
}

/// Sends a request without a body.
pub async fn request(addr: &Addr, method: &str, path: &str) -> io::Result<Response> {
    send(addr, method, path, &[], "", DEADLINE).await
}

/// Sends a request with further headers and a body, and waits so long for the end of the answer.
pub async fn send(
    addr: &Addr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    deadline: Duration,
) -> io::Result<Response> {
    let conversation = async {
        let mut stream = TcpStream::connect((addr.host(), addr.port())).await?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if !body.is_empty() {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = tokio::time::timeout(deadline, conversation)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{addr} did not answer {path}")))??;
    parse(&answer).ok_or_else(|| {
        let text = String::from_utf8_lossy(&answer);
        io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP response: {text:?}"))
    })
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    let body = &answer[end + 4..];
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { joined(body)? } else { body.to_vec() };
    Some(Response {
        status,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size)?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_plain_body() {
        let response =
            parse(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nno\n").unwrap();
        assert_eq!((response.status, response.body.as_str()), (503, "no\n"));
        assert_eq!(response.header("content-type"), Some("text/plain"));
    }

    #[test]
    fn joins_chunks() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(answer).unwrap().body, "abcde");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent"), None);
    }
}
