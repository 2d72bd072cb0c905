//! The events a Sentinel publishes, as far as this project acts on them.
//!
//! The channel is the event's name, the payload its description. An event carries no epoch and may be lost,
//! doubled or late, so it is only ever a reason to look again; the parsed content is for logs.

use crate::{Addr, MasterName};

/// A published event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentinelEvent {
    /// `+switch-master`: this Sentinel now names another master.
    SwitchMaster(SwitchMaster),
    /// Any other event, by its channel; a reason to look, no more.
    Other {
        /// The channel, such as `+odown`.
        channel: String,
        /// The payload as it came.
        payload: String,
    },
}

/// The content of `+switch-master`: `<name> <old-ip> <old-port> <new-ip> <new-port>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchMaster {
    /// Which group.
    pub name: MasterName,
    /// The master before.
    pub from: Addr,
    /// The master now.
    pub to: Addr,
}

/// A `+switch-master` whose payload is not five words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a +switch-master payload; expected `<name> <old-ip> <old-port> <new-ip> <new-port>`")]
pub struct EventError(String);

impl SentinelEvent {
    /// Reads one published message.
    pub fn parse(channel: &str, payload: &str) -> Result<Self, EventError> {
        if channel != "+switch-master" {
            return Ok(Self::Other {
                channel: channel.to_owned(),
                payload: payload.to_owned(),
            });
        }
        let words: Vec<&str> = payload.split(' ').collect();
        let [name, old_ip, old_port, new_ip, new_port] = words[..] else {
            return Err(EventError(payload.to_owned()));
        };
        let addr = |ip, port: &str| Addr::new(ip, port.parse().ok()?).ok();
        match (name.parse(), addr(old_ip, old_port), addr(new_ip, new_port)) {
            (Ok(name), Some(from), Some(to)) => Ok(Self::SwitchMaster(SwitchMaster { name, from, to })),
            _ => Err(EventError(payload.to_owned())),
        }
    }

    /// Whether the event speaks of this group: its payload names it as a word.
    pub fn concerns(&self, group: &MasterName) -> bool {
        match self {
            Self::SwitchMaster(switch) => switch.name == *group,
            Self::Other { payload, .. } => payload.split(' ').any(|word| word == group.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_switch_is_read_whole_and_belongs_to_its_group() {
        let event = SentinelEvent::parse("+switch-master", "m1 127.0.0.1 20861 ::1 20862").unwrap();
        assert!(event.concerns(&"m1".parse().unwrap()) && !event.concerns(&"m2".parse().unwrap()));
        let SentinelEvent::SwitchMaster(switch) = event else {
            panic!("not a switch")
        };
        assert_eq!(
            (switch.from.to_string(), switch.to.to_string()),
            ("127.0.0.1:20861".into(), "[::1]:20862".into())
        );
    }

    #[test]
    fn a_short_payload_is_an_error_and_no_panic() {
        assert!(SentinelEvent::parse("+switch-master", "m1 127.0.0.1").is_err());
        assert!(SentinelEvent::parse("+switch-master", "m1 a x b y").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(channel in "\\PC*", payload in "\\PC*") {
            let _ = SentinelEvent::parse(&channel, &payload);
            let _ = SentinelEvent::parse("+switch-master", &payload);
        }
    }
}
