//! One call as it lies in the spool.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Notice;
use crate::identity::Seen;
use crate::message::Call;
use crate::reconfiguration::Reconfiguration;

/// What one call told: its arguments as they came, and what was found out at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// Two for a notification, seven for a reconfiguration.
    pub arguments: Vec<String>,
    /// When Sentinel called.
    pub at: Timestamp,
    /// Which one: its run id, or its address.
    pub sentinel: String,
    /// What it answered when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The host's name.
    pub host: String,
    /// The receivers that want it by the configuration of the call. Who delivers may know another one, and adds its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takers: Vec<String>,
}

impl Telling {
    /// What the arguments say; none if they say nothing, which was found out before it was spooled.
    pub fn call(&self) -> Option<Call> {
        let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        if let [event, text] = words[..] {
            return Some(Call::Notice(Notice::read(event, text)));
        }
        let seven = words.try_into().ok()?;
        Reconfiguration::read(seven).ok().map(Call::Reconfiguration)
    }

    pub(super) fn to_json(&self) -> String {
        // Texts and numbers only.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn from_json(body: &str) -> Option<Self> {
        let telling: Self = serde_json::from_str(body).ok()?;
        telling.call().is_some().then_some(telling)
    }
}
