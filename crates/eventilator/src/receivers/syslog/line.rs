//! The lines themselves.
//!
//! A line is cut where its receiver would cut it, and its end is the description: the event, the group and the identity are always there.

use jiff::tz::TimeZone;

use super::Facility;
use crate::message::Message;
use crate::receivers::wording::{Mood, TRIAL, mood, one_line};

/// The longest line that RFC 3164 knows.
const LOCAL: usize = 1024;
/// What RFC 5424 wants every receiver to take.
pub(super) const DATAGRAM: usize = 2048;
/// What the receivers that there are take.
pub(super) const STREAM: usize = 8192;
/// So many signs of a name are told.
const LONGEST: usize = 200;
/// Where no usable tag is configured.
const TAG: &str = "eventilator";

/// For a local socket. Without a host name, as the C library does it: its readers take the first word for the tag.
pub(super) fn rfc3164(message: &Message, facility: Facility, tag: &str) -> String {
    let at = message.at.to_zoned(TimeZone::system());
    let line = format!(
        "<{}>{} {}[{}]: {}",
        priority(message, facility),
        at.strftime("%b %e %H:%M:%S"),
        word(tag, 32, TAG),
        std::process::id(),
        text(message)
    );
    cut(line, LOCAL)
}

/// For a server.
pub(super) fn rfc5424(message: &Message, facility: Facility, tag: &str, longest: usize) -> String {
    let line = format!(
        "<{}>1 {} {} {} {} {} - {}",
        priority(message, facility),
        message.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"),
        word(&message.host, 255, "-"),
        word(tag, 48, TAG),
        std::process::id(),
        word(message.event(), 32, "-"),
        text(message)
    );
    cut(line, longest)
}

fn priority(message: &Message, facility: Facility) -> u8 {
    let severity = match mood(message) {
        _ if message.trial => 6,
        Mood::Danger => 3,
        Mood::Warning => 4,
        Mood::Good => 5,
    };
    facility.number() * 8 + severity
}

fn text(message: &Message) -> String {
    let record = message.record();
    let mut text = String::new();
    if message.trial {
        text = format!("{TRIAL}: ");
    }
    for (name, value) in [
        ("event", message.event()),
        ("pod", message.pod()),
        ("id", &message.id),
    ] {
        text = format!("{text}{name}={} ", one_line(value, LONGEST));
    }
    if let Some(epoch) = message.epoch {
        text = format!("{text}epoch={epoch} ");
    }
    format!("{text}description={}", one_line(&record.description, STREAM))
}

/// One word of printable ASCII, without what ends a tag.
fn word(text: &str, longest: usize, or: &'static str) -> String {
    let fits = |sign: &char| sign.is_ascii_graphic() && !matches!(sign, ':' | '[' | ']');
    let word: String = text.chars().filter(fits).take(longest).collect();
    if word.is_empty() { or.to_owned() } else { word }
}

fn cut(mut line: String, longest: usize) -> String {
    let fits = |at: &usize| line.is_char_boundary(*at);
    let at = (0..=longest.min(line.len())).rev().find(fits).unwrap_or_default();
    line.truncate(at);
    line
}
