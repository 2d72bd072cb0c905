//! A wall clock that jumps, for servers that go by it. (libfaketime does not bear with their allocator.)

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::needs::{Need, demand, find};
use crate::redis::directory;

const SOURCE: &str = include_str!("clock.c");

/// The clock of all programs that were started with it.
#[derive(Debug)]
pub struct JumpingClock {
    dir: TempDir,
    seconds: File,
}

impl JumpingClock {
    /// A clock that is right.
    pub fn new() -> Self {
        demand(Need::Compiler);
        let dir = directory("clock");
        let library = dir.path().join("clock.so");
        let mut compiler = Command::new(find("cc").expect("demanded above"))
            .args([
                "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-x", "c", "-", "-o",
            ])
            .arg(&library)
            .stdin(Stdio::piped())
            .spawn()
            .expect("cc can be started");
        let mut source = compiler.stdin.take().expect("a pipe");
        source.write_all(SOURCE.as_bytes()).expect("cc reads its input");
        drop(source);
        assert!(compiler.wait().expect("cc ends").success(), "cc failed");
        let seconds = File::create(dir.path().join("seconds")).expect("a file for the clock");
        let clock = Self { dir, seconds };
        clock.jump(0);
        clock
    }

    /// Sets it so many seconds ahead of the right time, or behind.
    pub fn jump(&self, seconds: i64) {
        let bytes = seconds.to_ne_bytes();
        self.seconds.write_all_at(&bytes, 0).expect("the clock is set");
    }

    /// A program that runs this server, which must be on PATH, by this clock.
    pub fn server(&self, name: &str) -> PathBuf {
        let script = self.dir.path().join(name);
        let file = find(name).unwrap_or_else(|| panic!("{name} is not on PATH"));
        let text = format!(
            "#!/bin/sh\nexport LD_PRELOAD={dir}/clock.so JUMPING_CLOCK={dir}/seconds\nexec {file} \"$@\"\n",
            dir = self.dir.path().display(),
            file = file.display(),
        );
        fs::write(&script, text).expect("a script");
        fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a script that can be run");
        script
    }
}

impl Default for JumpingClock {
    fn default() -> Self {
        Self::new()
    }
}
