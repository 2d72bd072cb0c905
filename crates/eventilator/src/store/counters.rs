//! What an event adds to the store: the keys of the program that this one replaces, exactly, because dashboards read them.
//!
//! Windows are written in local time without padding, `2016:3:1:9:5`; UTC by choice. The time is that of the event, not of its delivery.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::Clock;
use crate::event::{Content, Notice};
use crate::message::Call;
use crate::reconfiguration::Reconfiguration;

/// One command, as words.
pub type Command = Vec<String>;

/// The day's set of groups is kept for so long.
const SIXTY_DAYS: &str = "5184000";
const NO_GOOD_REPLICA: &str = "-failover-abort-no-good-slave";

/// Whether an event of this name is counted.
pub fn counts(event: &str) -> bool {
    matches!(
        event,
        crate::reconfiguration::EVENT | NO_GOOD_REPLICA | "+sdown" | "-sdown" | "+odown" | "-odown"
    )
}

/// The commands for an event; none where it is not counted.
pub fn updates(call: &Call, at: Timestamp, clock: Clock) -> Vec<Command> {
    let windows = Windows::of(at, clock);
    let ts = at.as_second().to_string();
    match call {
        Call::Reconfiguration(moved) => succeeded(moved, &ts, &windows),
        Call::Notice(notice) => {
            let Notice { event, content, .. } = notice;
            let Content::Instance(instance) = content else {
                return Vec::new();
            };
            match event.as_str() {
                NO_GOOD_REPLICA => failed(event, &instance.pod, &ts, &windows),
                "+sdown" | "-sdown" | "+odown" | "-odown" => warned(event, &instance.pod, &ts, &windows),
                _ => Vec::new(),
            }
        }
    }
}

/// Year, month, day, hour and minute, each with what is before it.
struct Windows {
    all: [String; 5],
}

impl Windows {
    fn of(at: Timestamp, clock: Clock) -> Self {
        let zone = match clock {
            Clock::Local => TimeZone::system(),
            Clock::Utc => TimeZone::UTC,
        };
        Self::at(&at.to_zoned(zone))
    }

    fn at(time: &Zoned) -> Self {
        let year = time.year().to_string();
        let month = format!("{year}:{}", time.month());
        let day = format!("{month}:{}", time.day());
        let hour = format!("{day}:{}", time.hour());
        let minute = format!("{hour}:{}", time.minute());
        Self {
            all: [year, month, day, hour, minute],
        }
    }

    fn day(&self) -> &str {
        &self.all[2]
    }
}

/// One command; a word of the text is one argument, what is in braces is put in whole.
macro_rules! command {
    ($($word:expr),+ $(,)?) => { vec![$(($word).to_string()),+] };
}

fn succeeded(moved: &Reconfiguration, ts: &str, windows: &Windows) -> Vec<Command> {
    let pod = &moved.pod;
    let mut commands = vec![
        command!["SADD", format!("failovers:{pod}:timestamps"), ts],
        command!["SADD", "pods-with-failovers", pod],
        command!["ZADD", format!("failovers:{pod}:log"), ts, moved.to.host()],
    ];
    for window in &windows.all {
        commands.push(command!["HINCRBY", "failovers:aggregated", window, 1]);
        commands.push(command![
            "HINCRBY",
            format!("failovers:success:{pod}:counters"),
            window,
            1
        ]);
        commands.push(command!["SADD", format!("failovers:{window}"), pod]);
        commands.push(command![
            "ZADD",
            format!("failovers:aggregated-by-time:{window}"),
            ts,
            pod
        ]);
    }
    commands.extend(of_the_day("pods-with-failovers", windows, pod));
    commands
}

fn failed(event: &str, pod: &str, ts: &str, windows: &Windows) -> Vec<Command> {
    let mut commands = vec![
        command!["SADD", format!("failovers:failures:{pod}:timestamps"), ts],
        command!["SADD", "pods-with-failovers", pod],
        // There is no new master; the member has always been empty.
        command!["ZADD", format!("failovers:{pod}:faillog"), ts, ""],
        command!["SADD", format!("failovers:failures:{event}:timestamps"), ts],
        command!["ZADD", format!("failovers:{event}:faillog"), ts, pod],
    ];
    for window in &windows.all {
        commands.push(command!["HINCRBY", "failovers:aggregated", window, 1]);
        commands.push(command![
            "HINCRBY",
            format!("failovers:failures:{event}:counters"),
            window,
            1
        ]);
        commands.push(command!["SADD", format!("failovers:{window}"), pod]);
        commands.push(command![
            "ZADD",
            format!("failovers:aggregated-by-time:{window}"),
            ts,
            pod
        ]);
    }
    commands.extend(of_the_day("pods-with-failovers", windows, pod));
    commands
}

fn warned(event: &str, pod: &str, ts: &str, windows: &Windows) -> Vec<Command> {
    let mut commands = vec![
        command!["SADD", format!("sentinel:warnings:{event}:{pod}:timestamps"), ts],
        command!["SADD", "pods-with-warnings", pod],
        command!["ZADD", format!("warnings:{event}:faillog"), ts, pod],
    ];
    for window in &windows.all {
        commands.push(command!["HINCRBY", "sentinel:warnings:aggregated", window, 1]);
        commands.push(command![
            "HINCRBY",
            format!("sentinel:warnings:{event}:{pod}:counters"),
            window,
            1
        ]);
        commands.push(command!["SADD", format!("sentinel:warnings:{window}"), pod]);
        commands.push(command![
            "ZADD",
            format!("sentinel:warnings-by-time:{window}"),
            ts,
            pod
        ]);
        commands.push(command![
            "HINCRBY",
            format!("sentinel:warnings:{event}:aggregated"),
            window,
            1
        ]);
    }
    commands.extend(of_the_day("pods-with-warnings", windows, pod));
    commands
}

fn of_the_day(name: &str, windows: &Windows, pod: &str) -> [Command; 2] {
    let key = format!("{name}:{}", windows.day());
    [command!["SADD", key, pod], command!["EXPIRE", key, SIXTY_DAYS]]
}

#[cfg(test)]
mod tests;
