//! The conversation with the Sentinel: look at all groups, then set what is missing, then read it back.

use instance::{Dialer, InstanceError, Sentinel};
use topology::{Addr, MasterName};

use super::{Script, ScriptifyError};

/// One script of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The group.
    pub(super) group: MasterName,
    /// The script.
    pub(super) script: Script,
    /// What was called before.
    pub(super) before: Option<String>,
    /// What came of it.
    pub(super) outcome: Outcome,
}

/// What came of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is set, and was read back.
    Set,
    /// It was set before.
    Already,
    /// It would be set, if this were not a dry run.
    Would,
    /// Sentinel takes no scripts at runtime.
    Refused,
    /// It could not be set, or looked at.
    Failed(String),
}

/// Sets the scripts for every group.
pub(super) async fn attach(
    dialer: &Dialer,
    addr: &Addr,
    scripts: &[Script],
    dry: bool,
) -> Result<Vec<Row>, ScriptifyError> {
    let sentinel = dialer.sentinel(addr).await.map_err(ScriptifyError::Away)?;
    let groups = sentinel.groups().await.map_err(ScriptifyError::Away)?;
    if groups.is_empty() {
        return Err(ScriptifyError::NoGroup(addr.clone()));
    }
    let mut rows = Vec::new();
    for group in &groups {
        for script in scripts {
            rows.push(look(&sentinel, group, script).await);
        }
    }
    if dry {
        return Ok(rows);
    }
    for at in 0..rows.len() {
        if rows[at].outcome != Outcome::Would {
            continue;
        }
        match set(&sentinel, &rows[at]).await {
            Ok(outcome) => rows[at].outcome = outcome,
            Err(error) if is_refusal(&error) => {
                // It is the Sentinel's setting, and holds for all.
                settle(&mut rows, &Outcome::Refused);
            }
            Err(error) if is_missing(&error) => {
                undo(&sentinel, &rows).await;
                let path = rows[at].script.path.clone();
                let why = "cannot be found or run by the Sentinel".to_owned();
                return Err(ScriptifyError::Script { path, why });
            }
            Err(error) if error.broke_the_connection() => {
                settle(&mut rows, &Outcome::Failed(error.to_string()));
            }
            Err(error) => rows[at].outcome = Outcome::Failed(error.to_string()),
        }
    }
    Ok(rows)
}

/// What is to be done for one script of one group.
async fn look(sentinel: &Sentinel, group: &MasterName, script: &Script) -> Row {
    let (before, outcome) = match called(sentinel, group, script).await {
        Err(error) => (None, Outcome::Failed(error.to_string())),
        Ok(before) if before.as_ref() == Some(&script.path) => (before, Outcome::Already),
        Ok(before) => (before, Outcome::Would),
    };
    Row {
        group: group.clone(),
        script: script.clone(),
        before,
        outcome,
    }
}

async fn set(sentinel: &Sentinel, row: &Row) -> Result<Outcome, InstanceError> {
    let Row { group, script, .. } = row;
    sentinel.set(group, script.option(), &script.path).await?;
    Ok(match called(sentinel, group, script).await? {
        Some(path) if path == script.path => Outcome::Set,
        Some(other) => Outcome::Failed(format!("it was taken, and reads back as `{other}`")),
        None => Outcome::Failed("it was taken, and reads back as nothing".to_owned()),
    })
}

/// What the Sentinel calls now.
async fn called(
    sentinel: &Sentinel,
    group: &MasterName,
    script: &Script,
) -> Result<Option<String>, InstanceError> {
    let report = sentinel.report(group).await?;
    let called = report.and_then(|report| match script.mode {
        crate::mode::Mode::Eventilator => report.notification_script,
        crate::mode::Mode::Reconfigurator => report.client_reconfig_script,
    });
    Ok(called)
}

/// All that is still to be done ends like this.
fn settle(rows: &mut [Row], outcome: &Outcome) {
    for row in rows.iter_mut().filter(|row| row.outcome == Outcome::Would) {
        row.outcome.clone_from(outcome);
    }
}

/// Puts back what was before. What cannot be put back is only what was asked for anyway.
async fn undo(sentinel: &Sentinel, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.outcome == Outcome::Set) {
        let before = row.before.as_deref().unwrap_or_default();
        let _ = sentinel.set(&row.group, row.script.option(), before).await;
    }
}

/// `sentinelSetCommand`'s words, which have been the same since there has been the directive.
fn is_refusal(error: &InstanceError) -> bool {
    says(error, &["deny-scripts-reconfig"])
}

fn is_missing(error: &InstanceError) -> bool {
    says(error, &["non existing", "non executable"])
}

fn says(error: &InstanceError, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}
