//! Shell commands of the operator's, each with an end.
//!
//! They are started by the program's [`Children`], and by nothing else: its reaper takes the status of every process that ends,
//! so tokio's and std's own waiting would never hear of theirs.
//!
//! A command is a process group of its own. At the deadline, or when nobody wants its answer any more, the whole group is killed;
//! what it has left in the background when it ended by itself goes on, since that may be the very thing it was to start.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use supervisor::{Child, ChildCommand, ChildExit, Children, DeathSignal, Forks, SpawnError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// So much of what a command says is kept: its end, where the reason stands.
const TAIL: usize = 1024;
/// A pipe holds 64 KiB: so much may be left in it when its writer has ended. Whoever goes on in the background may write more.
const LEFT_IN_PIPE: usize = 64 * 1024;
/// How long a killed group may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Runs shell commands. Clones share the program's children.
#[derive(Clone)]
pub struct Shell {
    children: Children,
    conceal: Vec<OsString>,
}

/// What a command that succeeded said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Output {
    /// The end of its standard output and error together.
    pub(crate) said: String,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShellError {
    /// It was not started.
    #[error("the shell could not be started")]
    Start(#[source] SpawnError),
    /// No pipe for its words.
    #[error("no pipe for what the command says")]
    Pipe(#[source] io::Error),
    /// It ended, and not with 0.
    #[error("it {exit}{}", quoted(said))]
    Failed {
        /// How.
        exit: ChildExit,
        /// The end of what it said.
        said: String,
    },
    /// It did not end, and was killed.
    #[error("no end after {} ms; killed with all it had started{}", after.as_millis(), quoted(said))]
    Late {
        /// After so long.
        after: Duration,
        /// The end of what it said.
        said: String,
    },
}

impl Shell {
    /// Commands are started by `children`, and see our environment without the variables of these names: the secrets.
    pub fn new(children: Children, conceal: Vec<OsString>) -> Self {
        Self { children, conceal }
    }

    /// Runs `command` with `sh -c`, with these variables besides. Killed with its group at the deadline, or when the future is dropped.
    pub(crate) async fn run(
        &self,
        command: &str,
        env: &[(&str, String)],
        deadline: Duration,
    ) -> Result<Output, ShellError> {
        let (reader, writer) = io::pipe().map_err(ShellError::Pipe)?;
        let mut words = Words::new(reader.into()).map_err(ShellError::Pipe)?;
        let wanted = ChildCommand {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".into(), command.into()],
            env_remove: self.conceal.clone(),
            env: env
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
            dir: PathBuf::from("."),
            on_parent_death: DeathSignal::Terminate,
            inherits: Vec::new(),
            output: supervisor::Output::File(Arc::new(OwnedFd::from(writer).into())),
            forks: Forks::GoOn,
        };
        let child = KilledWithUs(self.children.spawn(wanted).await.map_err(ShellError::Start)?);
        let Ok(exit) = tokio::time::timeout(deadline, words.until(child.0.exited())).await else {
            child.0.kill();
            // What it still said is worth having; who cannot be killed is not waited for.
            let _ = tokio::time::timeout(AFTER_KILL, words.until(child.0.exited())).await;
            words.drain();
            return Err(ShellError::Late {
                after: deadline,
                said: words.tail(),
            });
        };
        words.drain();
        let said = words.tail();
        if exit == ChildExit::Code(0) {
            Ok(Output { said })
        } else {
            Err(ShellError::Failed { exit, said })
        }
    }
}

/// A child whose group is killed when the wait for it is given up.
struct KilledWithUs(Child);

impl Drop for KilledWithUs {
    fn drop(&mut self) {
        // Nothing happens to one that has ended.
        self.0.kill();
    }
}

/// What a command says, of which the end is kept.
struct Words {
    pipe: Receiver,
    last: Vec<u8>,
}

impl Words {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: Receiver::from_owned_fd(pipe)?,
            last: Vec::new(),
        })
    }

    /// Listens until `ended`, so that a full pipe holds up nobody.
    async fn until<T>(&mut self, ended: impl Future<Output = T>) -> T {
        let mut ended = std::pin::pin!(ended);
        let mut open = true;
        let mut some = [0; 4096];
        loop {
            tokio::select! {
                biased;
                exit = &mut ended => return exit,
                read = self.pipe.read(&mut some), if open => match read {
                    Ok(0) | Err(_) => open = false,
                    Ok(count) => keep_end(&mut self.last, &some[..count]),
                },
            }
        }
    }

    /// What is in the pipe already.
    fn drain(&mut self) {
        let mut some = [0; 4096];
        let mut read = 0;
        while read < LEFT_IN_PIPE {
            match self.pipe.try_read(&mut some) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    read += count;
                    keep_end(&mut self.last, &some[..count]);
                }
            }
        }
    }

    /// Its end, in one line.
    fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.last);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.collect::<Vec<_>>().join("; ");
        line.chars().filter(|sign| !sign.is_control()).collect()
    }
}

fn keep_end(last: &mut Vec<u8>, more: &[u8]) {
    last.extend_from_slice(more);
    let surplus = last.len().saturating_sub(TAIL);
    last.drain(..surplus);
}

fn quoted(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let mut last = Vec::new();
        for line in 0..1000 {
            keep_end(&mut last, format!("line {line}\n").as_bytes());
        }
        assert_eq!(last.len(), TAIL);
        assert!(last.ends_with(b"line 998\nline 999\n"));
        keep_end(&mut last, &[b'x'; 5000]);
        assert_eq!(last, [b'x'; TAIL]);
    }
}
