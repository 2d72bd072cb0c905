//! One exchange over HAProxy's socket: lines of commands, and its answers.
//!
//! HAProxy reads one line, runs the commands between its semicolons without anything between them, and hangs up.
//! A line must fit into its buffer (16 KiB, unless somebody made it smaller), so many commands are several exchanges.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::slots::Socket;
use crate::sink::SinkError;

const LONGEST_LINE: usize = 4096;
/// A row of a table has 200 bytes: this is a backend of thousands of servers.
const LONGEST_ANSWER: u64 = 2 * 1024 * 1024;

/// What went wrong.
#[derive(Debug)]
pub(super) struct Broken(io::Error);

impl Broken {
    /// For the standing, with what helps.
    pub(super) fn explained(self, what: &str) -> SinkError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others explain themselves")]
        let remedy = match self.0.kind() {
            io::ErrorKind::NotFound => "; is HAProxy running, with `stats socket` at that path?",
            io::ErrorKind::PermissionDenied => {
                "; give this user the right to write to it (mode and group of `stats socket`)"
            }
            _ => "",
        };
        SinkError::Unreachable {
            what: what.to_owned(),
            source: format!("{}{remedy}", self.0).into(),
        }
    }
}

/// Sends the commands, in their order, and returns all answers. Commands of one entry stay together.
pub(super) async fn hold(socket: &Socket, commands: &[String], deadline: Duration) -> Result<String, Broken> {
    let all = async {
        let mut answers = String::new();
        for line in lines(commands) {
            let answer = match socket {
                Socket::Unix(path) => exchange(UnixStream::connect(path).await?, &line).await?,
                Socket::Tcp(addr) => {
                    exchange(TcpStream::connect((addr.host(), addr.port())).await?, &line).await?
                }
            };
            answers.push_str(&answer);
        }
        Ok(answers)
    };
    match tokio::time::timeout(deadline, all).await {
        Ok(answers) => answers.map_err(Broken),
        Err(_) => Err(Broken(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no whole answer after {} ms", deadline.as_millis()),
        ))),
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> io::Result<String> {
    stream.write_all(line.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    if read == 0 {
        // A socket that HAProxy has not yet taken up again after a reload, or its limit of connections.
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it hung up without an answer",
        ));
    }
    if read as u64 == LONGEST_ANSWER {
        return Err(io::Error::other(format!(
            "its answer is longer than {LONGEST_ANSWER} bytes"
        )));
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The commands in as few lines as they fit into.
fn lines(commands: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for command in commands {
        match lines.last_mut() {
            Some(line) if line.len() + command.len() + 2 <= LONGEST_LINE => {
                line.push(';');
                line.push_str(command);
            }
            Some(_) | None => lines.push(command.clone()),
        }
    }
    for line in &mut lines {
        line.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_share_lines_that_fit_into_the_buffer() {
        let commands: Vec<String> = (0..1000)
            .map(|n| format!("show servers state group-{n}"))
            .collect();
        let lines = lines(&commands);
        assert!(lines.len() < 12 && lines.iter().all(|line| line.len() <= LONGEST_LINE));
        let back: Vec<&str> = lines.iter().flat_map(|line| line.trim_end().split(';')).collect();
        assert_eq!(back, commands);
        assert!(super::lines(&[]).is_empty());
    }
}
