//! HAProxy by its configuration file: rendered whole from a template, checked, put in place, reloaded.
//!
//! Nothing happens while the file is what it should be. A new one takes the old one's place only when the check is content with it,
//! and when the reload fails the old one is put back. Until a reload has succeeded the file before it is kept beside the output, so that
//! whoever is killed between the two knows at the next start that HAProxy has not read what lies there.

mod place;
mod template;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use self::place::{Back, New, Place, Staged};
use crate::picture::Picture;
use crate::shell::{Shell, ShellError};
use crate::sink::{Brought, Sink, SinkError};

/// How long the first file waits for groups that are not known yet: a file without them would take them down.
const PATIENCE: Duration = Duration::from_secs(10);
/// A template of more than this is none.
const LONGEST_TEMPLATE: u64 = 1024 * 1024;
/// What is not a command: reading, rendering, writing.
const MARGIN: Duration = Duration::from_secs(10);

/// Which file, from what, and what is run for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The Go-style template. It is read anew each time.
    pub template: PathBuf,
    /// The file that is written.
    pub output: PathBuf,
    /// A shell command that fails when the file named by `$FILE` is wrong.
    pub check: Option<String>,
    /// A shell command that makes HAProxy read the output.
    pub reload: Option<String>,
    /// How long each of the commands may take.
    pub deadline: Duration,
}

/// Keeps one file in step, and HAProxy with it.
pub struct FileSink {
    file: File,
    place: Place,
    /// Whoever works on the disk. What was given up by us goes on there until it ends, and the next one waits for it.
    turn: Arc<Mutex<()>>,
    shell: Shell,
    since: Instant,
    /// What was brought last; `None` until then.
    last: Option<Picture>,
}

impl FileSink {
    /// A sink that has written nothing yet. It waits for groups that are awaited until 10 s after `since`.
    pub fn new(file: File, shell: Shell, since: Instant) -> Self {
        Self {
            place: Place::new(file.output.clone()),
            turn: Arc::default(),
            file,
            shell,
            since,
            last: None,
        }
    }

    /// Its name for the standing: `haproxy-file:` and the output.
    pub fn name(&self) -> String {
        format!("haproxy-file:{}", self.file.output.display())
    }

    /// How long [`Sink::bring`] may take: a check, a reload, and one more with the old file. A shorter deadline of
    /// [`crate::Terms`] would cut off what puts the old file back.
    pub fn longest(&self) -> Duration {
        self.file.deadline * 3 + MARGIN
    }
}

impl Sink for FileSink {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        if self.last.is_none() {
            patient(picture, self.since.elapsed())?;
        }
        let (staged, turn) = self.stage(picture).await?;
        match staged {
            Staged::Same => {
                self.last = Some(picture.clone());
                return Ok(Brought::default());
            }
            Staged::NotReloaded => drop(turn),
            Staged::New(new) => self.install(Beside::new(new, turn)).await?,
        }
        self.reload().await?;
        let groups = picture.groups.values();
        let before = self.last.as_ref();
        let known =
            |group: &&crate::Group| before.and_then(|last| last.groups.get(&group.name)) == Some(*group);
        let told = groups
            .filter(|group| !known(group))
            .map(|group| group.name.clone())
            .collect();
        self.last = Some(picture.clone());
        Ok(Brought { told, remark: None })
    }
}

/// Whether to wait for more groups before the first file.
fn patient(picture: &Picture, waited: Duration) -> Result<(), SinkError> {
    if picture.awaited.is_empty() || waited >= PATIENCE {
        return Ok(());
    }
    let names: Vec<String> = picture.awaited.iter().take(5).map(ToString::to_string).collect();
    Err(SinkError::NotYet {
        what: format!(
            "the masters of {} groups, {} among them: a file without them would take them down",
            picture.awaited.len(),
            names.join(", ")
        ),
    })
}

impl FileSink {
    /// Renders, compares, and writes beside the output. The turn goes with what is there then.
    async fn stage(&self, picture: &Picture) -> Result<(Staged, OwnedMutexGuard<()>), SinkError> {
        let (file, place, picture) = (self.file.template.clone(), self.place.clone(), picture.clone());
        let turn = self.turn.clone().lock_owned().await;
        let staged = disk(move || {
            let text = read(&file)?;
            let text = template::render(&text, &picture).map_err(|wrong| wrong.in_file(&file))?;
            Ok((place.stage(&text, &file)?, turn))
        });
        staged.await.map_err(|problem| self.local(problem))
    }

    /// Has the new file checked, and puts it in the old one's place.
    async fn install(&self, mut beside: Beside) -> Result<(), SinkError> {
        if let Err(error) = self.check(&beside.path).await {
            // Before the answer, so that it is gone when somebody reads that.
            let _ = beside
                .then(|new| {
                    drop(new);
                    Ok(())
                })
                .await;
            return Err(error);
        }
        let keep = match self.file.reload {
            Some(_) => place::Keep::UntilReloaded,
            None => place::Keep::Nothing,
        };
        let installed = beside.then(move |new| new.install(keep)).await;
        installed.map_err(|problem| self.local(problem))
    }

    /// Has this done to the output.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (place, turn) = (self.place.clone(), self.turn.clone().lock_owned().await);
        disk(move || {
            let done = work(&place);
            drop(turn);
            done
        })
        .await
    }

    async fn check(&self, new: &Path) -> Result<(), SinkError> {
        let Some(command) = &self.file.check else {
            return Ok(());
        };
        self.run(command, new).await.map_err(|error| SinkError::Local {
            what: self.name(),
            problem: format!(
                "the new file did not pass the check, and the old one stays; see {}: {}",
                self.file.template.display(),
                whole(&error)
            ),
        })
    }

    /// Has HAProxy read the output; puts the file before it back when it will not.
    async fn reload(&self) -> Result<(), SinkError> {
        let Some(command) = &self.file.reload else {
            return Ok(());
        };
        let Err(error) = self.run(command, self.place.output()).await else {
            return self
                .on_disk(Place::reloaded)
                .await
                .map_err(|problem| self.local(problem));
        };
        let refused = format!("the reload failed: {}", whole(&error));
        let problem = match self.on_disk(Place::put_back).await {
            Err(problem) => format!("{refused}; and the old file could not be put back: {problem}"),
            Ok(Back::Nothing) => format!("{refused}; there was no file before it, so it was removed"),
            Ok(Back::Old) => match self.run(command, self.place.output()).await {
                Ok(()) => match self.on_disk(Place::reloaded).await {
                    Ok(()) => format!("{refused}; the old file is in place and was reloaded"),
                    Err(problem) => {
                        format!("{refused}; the old file is in place and was reloaded; {problem}")
                    }
                },
                Err(error) => format!(
                    "{refused}; the old file is in place, and fails too: {}",
                    whole(&error)
                ),
            },
        };
        Err(self.local(problem))
    }

    async fn run(&self, command: &str, file: &Path) -> Result<(), ShellError> {
        let variables = [("FILE", file.display().to_string())];
        self.shell
            .run(command, &variables, self.file.deadline)
            .await
            .map(drop)
    }

    fn local(&self, problem: String) -> SinkError {
        SinkError::Local {
            what: self.name(),
            problem,
        }
    }
}

/// A new file beside the old one, and the turn to work on the disk. Dropping it removes the file, before anybody else's turn.
struct Beside {
    path: PathBuf,
    new: Option<(New, OwnedMutexGuard<()>)>,
}

impl Beside {
    fn new(new: New, turn: OwnedMutexGuard<()>) -> Self {
        Self {
            path: new.path().to_owned(),
            new: Some((new, turn)),
        }
    }

    /// Has this done with it, which is the end of it here.
    async fn then(
        &mut self,
        work: impl FnOnce(New) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let Some((new, turn)) = self.new.take() else {
            return Ok(());
        };
        disk(move || {
            let done = work(new);
            drop(turn);
            done
        })
        .await
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let Some(left) = self.new.take() else { return };
        // Without a runtime nobody is held up by the disk.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(left));
        }
    }
}

/// Work on the disk is not for the runtime's own threads: it may hang.
async fn disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(template: &Path) -> Result<String, String> {
    let problem =
        |what: &dyn std::fmt::Display| format!("cannot read the template {}: {what}", template.display());
    let length = std::fs::metadata(template)
        .map_err(|error| problem(&error))?
        .len();
    if length > LONGEST_TEMPLATE {
        return Err(problem(&format!("it has {length} bytes")));
    }
    std::fs::read_to_string(template).map_err(|error| problem(&error))
}

fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::testing::group;

    #[test]
    fn the_first_file_waits_for_all_groups_and_not_for_ever() {
        let known = group("a", 1);
        let mut picture = Picture {
            groups: [(known.name.clone(), known)].into(),
            awaited: vec!["b".parse().unwrap(), "c".parse().unwrap()],
        };
        let wait = patient(&picture, Duration::from_secs(9)).unwrap_err().to_string();
        assert!(
            wait.starts_with("waiting for the masters of 2 groups, b, c among them"),
            "{wait}"
        );
        assert!(patient(&picture, PATIENCE).is_ok());
        picture.awaited.clear();
        assert!(patient(&picture, Duration::ZERO).is_ok());
    }
}
