//! The master as JSON in one key. Each write names the index that was read, so nobody's write is lost unread, and a higher epoch is never
//! replaced by a lower one, however many write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::api::{Api, in_datacenter, words};
use super::entry::newer;
use super::{ConsulConfig, Done};
use crate::picture::Group;
use crate::sink::SinkError;
use crate::time::rfc3339_ms;

/// So often somebody else may be quicker before we wait for our next turn.
const TRIES: u32 = 3;

/// The value. Whoever writes this key too must give an `epoch`.
#[derive(Serialize)]
struct Value<'a> {
    name: &'a str,
    host: &'a str,
    port: u16,
    epoch: u64,
    cause: &'a str,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
}

/// An entry of `GET /v1/kv/…`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    modify_index: u64,
    value: Option<String>,
}

/// What of a value is looked at.
#[derive(Deserialize)]
struct Theirs {
    epoch: u64,
    #[serde(default)]
    host: String,
    port: Option<u16>,
}

/// What to do about what is there.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Leave,
    /// If this is still the index; 0: if there is still nothing.
    Write {
        cas: u64,
    },
    Newer {
        epoch: u64,
        host: String,
    },
    /// Something that is not ours to replace.
    Foreign,
}

pub(super) async fn bring(
    api: &Api,
    config: &ConsulConfig,
    key: &str,
    group: &Group,
) -> Result<Done, SinkError> {
    let dc = in_datacenter(config.datacenter.as_deref());
    let path = words(key);
    let wanted = value(group);
    let what = format!("the key {key} of Consul");
    let mut done = Done::Nothing;
    for _ in 0..=TRIES {
        let entries: Option<Vec<Entry>> = api.get(&format!("/v1/kv/{path}?consistent{dc}")).await?;
        let entry = entries.unwrap_or_default().into_iter().next();
        let entry = entry.map(|entry| (entry.modify_index, entry.value.unwrap_or_default()));
        match weigh(
            entry.as_ref().map(|(index, value)| (*index, value.as_str())),
            &wanted,
            group,
        ) {
            // After a write this is its confirmation.
            Verdict::Leave => return Ok(done),
            Verdict::Newer { epoch, host } => return Err(newer(what, group, epoch, &host)),
            Verdict::Foreign => {
                return Err(SinkError::Local {
                    what,
                    problem: "it holds something without an `epoch`, which may be somebody else's; delete it, or choose another CONSUL_KEY"
                        .to_owned(),
                });
            }
            Verdict::Write { cas } => {
                let path = format!("/v1/kv/{path}?cas={cas}{dc}");
                if api.put_bytes(&path, wanted.clone()).await? {
                    done = Done::Told;
                }
            }
        }
    }
    Err(SinkError::NotConfirmed {
        what,
        wanted: format!("{} of epoch {}", group.master.addr, group.master.epoch),
        found: "what others wrote meanwhile, again and again".to_owned(),
    })
}

/// Decides on what is there, its value in base64.
fn weigh(entry: Option<(u64, &str)>, wanted: &[u8], group: &Group) -> Verdict {
    let (epoch, addr) = (group.master.epoch.0, &group.master.addr);
    let Some((index, value)) = entry else {
        return Verdict::Write { cas: 0 };
    };
    let Ok(value) = STANDARD.decode(value) else {
        return Verdict::Foreign;
    };
    if value == wanted {
        return Verdict::Leave;
    }
    if value.trim_ascii().is_empty() {
        return Verdict::Write { cas: index };
    }
    match serde_json::from_slice::<Theirs>(&value) {
        Err(_) => Verdict::Foreign,
        Ok(theirs) if theirs.epoch > epoch => Verdict::Newer {
            epoch: theirs.epoch,
            host: theirs.host,
        },
        // Two watchers know since when, by which process and why in different words, and would write in turns.
        Ok(theirs)
            if theirs.epoch == epoch && theirs.host == addr.host() && theirs.port == Some(addr.port()) =>
        {
            Verdict::Leave
        }
        Ok(_) => Verdict::Write { cas: index },
    }
}

fn value(group: &Group) -> Vec<u8> {
    let master = &group.master;
    let value = Value {
        name: group.name.as_str(),
        host: master.addr.host(),
        port: master.addr.port(),
        epoch: master.epoch.0,
        cause: &master.cause,
        since: rfc3339_ms(group.master.since_ms),
        run_id: master.run_id.as_ref().map(ToString::to_string),
    };
    // Strings and numbers always have a form in JSON.
    serde_json::to_vec(&value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::picture::testing::group;

    #[test]
    fn the_value_is_what_is_documented() {
        assert_eq!(
            String::from_utf8(value(&group("sessions", 7))).unwrap(),
            r#"{"name":"sessions","host":"10.0.0.1","port":6379,"epoch":7,"cause":"failover","since":"1970-01-01T00:00:00.000Z"}"#
        );
    }

    #[test]
    fn what_is_there_decides() {
        let wanted = value(&group("sessions", 7));
        let base64 = |text: &[u8]| STANDARD.encode(text);
        // As another watcher writes it: with another cause.
        let of = |epoch: u64, host: &str, port: u16| {
            format!(r#"{{"host":"{host}","port":{port},"epoch":{epoch},"cause":"start"}}"#).into_bytes()
        };
        let table = [
            (None, Verdict::Write { cas: 0 }),
            (Some((9, base64(&wanted))), Verdict::Leave),
            (Some((9, base64(b""))), Verdict::Write { cas: 9 }),
            (Some((9, base64(b"{\"epoch\":6}"))), Verdict::Write { cas: 9 }),
            (Some((9, base64(b"{\"epoch\":7}"))), Verdict::Write { cas: 9 }),
            (Some((9, base64(&of(7, "10.0.0.1", 6379)))), Verdict::Leave),
            (
                Some((9, base64(&of(7, "10.0.0.1", 6380)))),
                Verdict::Write { cas: 9 },
            ),
            (
                Some((9, base64(&of(7, "10.0.0.2", 6379)))),
                Verdict::Write { cas: 9 },
            ),
            (
                Some((9, base64(&of(6, "10.0.0.1", 6379)))),
                Verdict::Write { cas: 9 },
            ),
            (Some((9, base64(b"10.0.0.1:6379"))), Verdict::Foreign),
            (Some((9, "?".to_owned())), Verdict::Foreign),
        ];
        for (entry, verdict) in table {
            let entry = entry.as_ref().map(|(index, value)| (*index, value.as_str()));
            assert_eq!(weigh(entry, &wanted, &group("sessions", 7)), verdict, "{entry:?}");
        }
        let newer = Verdict::Newer {
            epoch: 8,
            host: "x".to_owned(),
        };
        assert_eq!(
            weigh(
                Some((9, &base64(b"{\"epoch\":8,\"host\":\"x\"}"))),
                &wanted,
                &group("sessions", 7)
            ),
            newer
        );
    }

    proptest! {
        #[test]
        fn a_higher_epoch_is_never_written_over(theirs in 0u64..50, ours in 0u64..50, index in 1u64..9) {
            let there = STANDARD.encode(value(&group("sessions", theirs)));
            let verdict = weigh(Some((index, &there)), &value(&group("sessions", ours)), &group("sessions", ours));
            match verdict {
                Verdict::Write { cas } => prop_assert!(theirs < ours && cas == index),
                Verdict::Leave => prop_assert_eq!(theirs, ours),
                Verdict::Newer { epoch, .. } => prop_assert!(epoch == theirs && theirs > ours),
                Verdict::Foreign => prop_assert!(false, "it has an epoch"),
            }
        }
    }
}
