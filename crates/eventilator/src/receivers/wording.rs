//! How an event is told to people: its mood, and one sentence about it.
//!
//! The moods are those of the program that this one replaces, since people have made rules upon its colours.

use crate::event::{Content, Instance, Kind, Notice};
use crate::message::{Call, Message};
use crate::reconfiguration;

/// So much of a description is told; Sentinel's own are shorter.
const LONGEST: usize = 600;

/// What a test says of itself, in all receivers.
pub(super) const TRIAL: &str = "This is a test, nothing is wrong";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It is well again.
    Good,
    /// Somebody should look.
    Warning,
    /// It is broken.
    Danger,
}

/// How bad this event is; a test is nothing bad.
pub(super) fn mood(message: &Message) -> Mood {
    if message.trial {
        return Mood::Good;
    }
    match message.event() {
        "-odown" | "-sdown" => Mood::Good,
        "+odown" | "-failover-abort-no-good-slave" => Mood::Danger,
        _ if message.role() == Some(Kind::Sentinel.word()) => Mood::Danger,
        _ => Mood::Warning,
    }
}

/// One sentence: the group, what that means, the event, whom it is about, the epoch as far as it is known.
pub(super) fn sentence(message: &Message) -> String {
    let (pod, event) = (
        one_line(message.pod(), LONGEST),
        one_line(message.event(), LONGEST),
    );
    let about = one_line(&about(message), LONGEST);
    let comma = if about.is_empty() { "" } else { ", " };
    let mut text = format!("{pod}: {}: {event}{comma}{about}", verdict(message));
    if let Some(epoch) = message.epoch {
        text = format!("{text} (epoch {epoch})");
    }
    if message.trial {
        format!("{TRIAL}: {text}")
    } else {
        text
    }
}

fn verdict(message: &Message) -> &'static str {
    match (message.event(), mood(message)) {
        _ if message.trial => "the event relay reaches this place",
        ("+switch-master" | "+promoted-slave" | reconfiguration::EVENT, _) => "another node is master now",
        ("-failover-abort-no-good-slave", _) => "broken, and no replica can take over",
        (_, Mood::Good) => "recovered",
        (_, Mood::Danger) => "broken",
        (_, Mood::Warning) => "something may be wrong",
    }
}

fn about(message: &Message) -> String {
    match &message.call {
        Call::Notice(Notice { content, text, .. }) => match content {
            Content::Instance(instance) => told(instance),
            Content::Switch(switch) => format!("from {} to {}", switch.from, switch.to),
            Content::Epoch(epoch) => format!("epoch {epoch}"),
            Content::Vote { leader, epoch } => format!("for {leader} in epoch {epoch}"),
            Content::Text => text.clone(),
        },
        Call::Reconfiguration(moved) => {
            format!("from {} to {}, told by the {}", moved.from, moved.to, moved.role)
        }
    }
}

fn told(instance: &Instance) -> String {
    let kind = match instance.kind {
        Kind::Master => "master",
        Kind::Replica => "replica",
        Kind::Sentinel => "Sentinel",
    };
    let mut text = format!("{kind} {}", instance.addr);
    if let Some(votes) = instance.votes {
        text = format!("{text}, {} of {} Sentinels agree", votes.given, votes.quorum);
    } else if !instance.rest.is_empty() {
        text = format!("{text}, {}", instance.rest.join(" "));
    }
    text
}

/// The text as one line of at most so many signs: what controls a terminal or a log is written out.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let unruly = |sign: char| sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}');
    let mut line = String::new();
    for sign in text.chars().take(longest) {
        if unruly(sign) {
            line.extend(sign.escape_default());
        } else {
            line.push(sign);
        }
    }
    line
}
