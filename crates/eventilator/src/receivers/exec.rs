//! A program of the operator's, for whatever we do not speak to: the event's record on its standard input, its exit code as the answer.
//!
//! It is a process group of its own. At the deadline, or when nobody wants its answer any more, the whole group is killed. What it has left
//! in the background when it ended by itself goes on, since that may be the very thing it was to start. It is waited for by tokio, so
//! nobody else in this process may wait for any process ([`supervisor::Children`] would take its status).

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, FusedFuture};
use futures_util::join;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::SetupError;
use super::wording::one_line;
use crate::config;
use crate::message::Message;
use crate::sink::{Sink, SinkError, Trigger};

/// So much of what a program says is kept: its end, where the reason stands.
const TAIL: usize = 4096;
/// So much of its last line is told.
const LONGEST: usize = 300;
/// How long the last words of one that has ended may take: somebody in the background may hold its pipe.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long a killed one may take to be gone. With the last words less than the second that the drainer gives us beyond the deadline.
const AFTER_KILL: Duration = Duration::from_millis(500);
/// A parent's conversation with systemd is not the child's.
const NOT_INHERITED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A program to start for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecConfig {
    /// The sink's name.
    pub name: String,
    /// The program: a path, or a name on `PATH`.
    pub command: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<String>,
    /// For which events.
    pub trigger: Trigger,
    /// How long it may run before it is killed.
    pub timeout: Duration,
}

/// Starts a program for each event.
#[derive(Debug)]
pub struct Exec {
    config: ExecConfig,
}

impl Exec {
    /// Starts this program.
    pub fn new(config: ExecConfig) -> Result<Self, SetupError> {
        if config.command.as_os_str().is_empty() {
            return Err(SetupError::NoPath {
                name: config.name,
                example: "/usr/local/bin/on-redis-event",
            });
        }
        Ok(Self { config })
    }

    fn command(&self, message: &Message) -> Command {
        // What no process can be given is not worth losing the event.
        let plain = |text: &str| text.replace('\0', "");
        let mut command = Command::new(&self.config.command);
        command
            .args(&self.config.args)
            .env("REDIS_EVENT", plain(message.event()))
            .env("REDIS_GROUP", plain(message.call.pod().unwrap_or_default()))
            .env("REDIS_EVENT_ID", plain(&message.id))
            .env_remove("REDIS_EVENT_TRIAL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for variable in config::secret_variables() {
            command.env_remove(variable);
        }
        if message.trial {
            command.env("REDIS_EVENT_TRIAL", "true");
        }
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        command
    }

    async fn run(&self, message: &Message) -> Result<(), SinkError> {
        // Strings and numbers always have a form in JSON.
        let mut record = serde_json::to_vec(&message.record()).unwrap_or_default();
        record.push(b'\n');
        let child = self.command(message).spawn().map_err(|error| {
            let program = self.config.command.display();
            SinkError::Failed(format!(
                "`{program}` could not be started: {error}; check its path and its mode"
            ))
        })?;
        let mut group = Group(child);
        let mut tail = Vec::new();
        let ended = self.listen(&mut group, &record, &mut tail).await;
        let reason = match ended {
            Some(Ok(status)) if status.success() => return Ok(()),
            Some(Ok(status)) => how(status),
            Some(Err(error)) => format!("it could not be waited for: {error}"),
            None => format!(
                "no end after {} ms; killed with all it had started",
                self.config.timeout.as_millis()
            ),
        };
        let last = last_line(&tail);
        let said = if last.is_empty() {
            reason
        } else {
            format!("{reason}: {last}")
        };
        Err(SinkError::Failed(said))
    }

    /// Gives it the record, and hears it out until it has ended; `None` if it had to be killed.
    async fn listen(
        &self,
        group: &mut Group,
        record: &[u8],
        tail: &mut Vec<u8>,
    ) -> Option<io::Result<ExitStatus>> {
        let child = &mut group.0;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut unheard = Vec::new();
        let words = async {
            join!(
                feed(stdin, record),
                keep(stdout, &mut unheard),
                keep(stderr, tail)
            )
        };
        let mut words = pin!(words.fuse());
        let ended = timeout(self.config.timeout, until(&mut group.0, words.as_mut()))
            .await
            .ok();
        if ended.is_none() {
            group.kill();
            // Who cannot be killed is not waited for.
            let _ = timeout(AFTER_KILL, until(&mut group.0, words.as_mut())).await;
        }
        let well = matches!(&ended, Some(Ok(status)) if status.success());
        if !well && !words.is_terminated() {
            let _ = timeout(LAST_WORDS, words).await;
        }
        ended
    }
}

/// A child whose group is killed when the wait for it is given up.
#[derive(Debug)]
struct Group(Child);

impl Group {
    fn kill(&self) {
        // Once it has been waited for it has no number any more: that may be another's.
        if let Some(leader) = self.0.id() {
            // One that has just ended is no group.
            let _ = supervisor::kill_group(leader);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Listens until the child has ended, so that a full pipe holds it up never.
async fn until(child: &mut Child, mut words: Pin<&mut impl FusedFuture>) -> io::Result<ExitStatus> {
    let mut exit = pin!(child.wait());
    loop {
        tokio::select! {
            biased;
            exit = &mut exit => return exit,
            _ = words.as_mut(), if !words.is_terminated() => {}
        }
    }
}

/// One that does not read may end well all the same: its exit code says so.
async fn feed(stdin: Option<ChildStdin>, record: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(record).await;
    }
}

async fn keep(from: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut some = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut some).await {
        tail.extend_from_slice(&some[..count]);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => format!("it ended with {status}"),
    }
}

fn last_line(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    let mut lines = text.lines().rev().map(str::trim);
    one_line(lines.find(|line| !line.is_empty()).unwrap_or_default(), LONGEST)
}

impl Sink for Exec {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn wants(&self, event: &str) -> bool {
        self.config.trigger.takes(event)
    }

    fn deadline(&self) -> Duration {
        self.config.timeout
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.run(message))
    }
}

#[cfg(test)]
mod tests;
