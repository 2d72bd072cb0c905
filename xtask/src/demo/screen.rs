//! What is shown: lines that stay, and on a terminal one line below them that says what is waited for.
//!
//! Elsewhere (a file, a CI log) the waiting line is a line of its own now and then.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

const REDRAW: Duration = Duration::from_millis(100);
/// A longer line would wrap, and a wrapped line cannot be redrawn.
const WIDTH: usize = 79;

pub(super) struct Screen {
    live: bool,
    waiting_line: Cell<bool>,
}

/// What is waited for, as it is now.
pub(super) struct Waiting {
    since: Instant,
    /// How often it is said where lines cannot be redrawn.
    every: Duration,
    text: RefCell<String>,
}

impl Waiting {
    pub(super) fn new(text: &str) -> Self {
        Self::since(Instant::now(), Duration::from_secs(5), text)
    }

    pub(super) fn since(since: Instant, every: Duration, text: &str) -> Self {
        Self {
            since,
            every,
            text: RefCell::new(text.to_owned()),
        }
    }

    pub(super) fn set(&self, text: impl Into<String>) {
        self.text.replace(text.into());
    }

    pub(super) fn text(&self) -> String {
        self.text.borrow().clone()
    }

    fn line(&self) -> String {
        timed(self.since.elapsed(), &self.text.borrow())
    }
}

impl Screen {
    pub(super) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self {
            live: io::stdout().is_terminal() && !dumb,
            waiting_line: Cell::new(false),
        }
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str) {
        self.clear();
        put(&format!("{text}\n"));
    }

    /// A line about a moment.
    pub(super) fn moment(&self, after: Duration, text: &str) {
        self.line(&timed(after, text));
    }

    /// What the next lines are about.
    pub(super) fn heading(&self, text: &str) {
        if self.live {
            self.line(&format!("\n\x1b[1m{text}\x1b[0m"));
        } else {
            self.line(&format!("\n{text}"));
        }
    }

    /// Works, and shows what is waited for meanwhile.
    pub(super) async fn during<T>(&self, waiting: &Waiting, work: impl Future<Output = T>) -> T {
        let every = if self.live { REDRAW } else { waiting.every };
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = pin!(work);
        let value = loop {
            tokio::select! {
                biased;
                value = &mut work => break value,
                _ = tick.tick() => self.redraw(&waiting.line()),
            }
        };
        self.clear();
        value
    }

    fn redraw(&self, text: &str) {
        if !self.live {
            put(&format!("{text}\n"));
            return;
        }
        let first = text.lines().next().unwrap_or_default();
        let cut: String = first.chars().take(WIDTH).collect();
        put(&format!("\r\x1b[K{cut}"));
        self.waiting_line.set(true);
    }

    /// Takes the waiting line away.
    pub(super) fn clear(&self) {
        if self.waiting_line.take() {
            put("\r\x1b[K");
        }
    }
}

/// Where nobody reads any more (`| head`, a closed terminal) nothing is shown; that is no reason to leave servers behind.
fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn timed(after: Duration, text: &str) -> String {
    format!("  {:>10}  {text}", format!("+{:.3} s", after.as_secs_f64()))
}
