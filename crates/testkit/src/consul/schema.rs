//! The documented fields of what is sent, and their types. What is not here is not documented.

use serde_json::Value;

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Text,
    /// Text that must be there, and not empty.
    Needed,
    Number,
    Flag,
    Texts,
    TextMap,
    /// A number with a unit, as in `10s`.
    Duration,
    Object(&'static [Field]),
    Objects(&'static [Field]),
    /// Whose inside is documented elsewhere, and not used.
    Any,
}

pub(super) type Field = (&'static str, Of);

/// `PUT /v1/catalog/register`.
pub(super) const CATALOG_REGISTER: &[Field] = &[
    ("ID", Of::Text),
    ("Node", Of::Needed),
    ("Address", Of::Needed),
    ("Datacenter", Of::Text),
    ("TaggedAddresses", Of::TextMap),
    ("NodeMeta", Of::TextMap),
    ("Service", Of::Object(CATALOG_SERVICE)),
    ("Check", Of::Any),
    ("Checks", Of::Any),
    ("SkipNodeUpdate", Of::Flag),
    ("Namespace", Of::Text),
];

const CATALOG_SERVICE: &[Field] = &[
    ("ID", Of::Text),
    ("Service", Of::Needed),
    ("Tags", Of::Texts),
    ("Address", Of::Text),
    ("TaggedAddresses", Of::Any),
    ("Meta", Of::TextMap),
    ("Port", Of::Number),
    ("Namespace", Of::Text),
];

/// `PUT /v1/agent/service/register`.
pub(super) const AGENT_REGISTER: &[Field] = &[
    ("Name", Of::Needed),
    ("ID", Of::Text),
    ("Tags", Of::Texts),
    ("Address", Of::Text),
    ("TaggedAddresses", Of::Any),
    ("Meta", Of::TextMap),
    ("Namespace", Of::Text),
    ("Port", Of::Number),
    ("Kind", Of::Text),
    ("Proxy", Of::Any),
    ("Connect", Of::Any),
    ("Check", Of::Object(CHECK)),
    ("Checks", Of::Objects(CHECK)),
    ("EnableTagOverride", Of::Flag),
    ("Weights", Of::Any),
];

const CHECK: &[Field] = &[
    ("Name", Of::Text),
    ("ID", Of::Text),
    ("CheckID", Of::Text),
    ("Interval", Of::Duration),
    ("Notes", Of::Text),
    ("DeregisterCriticalServiceAfter", Of::Duration),
    ("Args", Of::Texts),
    ("AliasNode", Of::Text),
    ("AliasService", Of::Text),
    ("GRPC", Of::Text),
    ("GRPCUseTLS", Of::Flag),
    ("H2PING", Of::Text),
    ("HTTP", Of::Text),
    ("Method", Of::Text),
    ("Body", Of::Text),
    ("Header", Of::Any),
    ("Timeout", Of::Duration),
    ("OutputMaxSize", Of::Number),
    ("TLSServerName", Of::Text),
    ("TLSSkipVerify", Of::Flag),
    ("TCP", Of::Text),
    ("TTL", Of::Duration),
    ("Status", Of::Text),
    ("SuccessBeforePassing", Of::Number),
    ("FailuresBeforeCritical", Of::Number),
];

/// What is wrong with `value`, if something is.
pub(super) fn wrong(at: &str, value: &Value, fields: &[Field]) -> Option<String> {
    let Some(object) = value.as_object() else {
        return Some(format!("{at} is no object"));
    };
    for (name, inside) in object {
        let Some((_, of)) = fields.iter().find(|(known, _)| known == name) else {
            return Some(format!("{at}{name} is not documented"));
        };
        if let Some(why) = mistyped(&format!("{at}{name}"), inside, *of) {
            return Some(why);
        }
    }
    let needed = fields.iter().filter(|(_, of)| matches!(of, Of::Needed));
    let missing = needed
        .map(|(name, _)| name)
        .find(|name| !object.contains_key(**name));
    if let Some(name) = missing {
        return Some(format!("{at}{name} is missing"));
    }
    let has = |name: &str| object.contains_key(name);
    if (has("TCP") || has("HTTP")) && !has("Interval") {
        return Some(format!("{at} is a TCP or HTTP check without Interval"));
    }
    None
}

fn mistyped(at: &str, value: &Value, of: Of) -> Option<String> {
    let right = match of {
        Of::Any => true,
        Of::Text => value.is_string(),
        Of::Needed => value.as_str().is_some_and(|text| !text.is_empty()),
        Of::Number => value.is_u64(),
        Of::Flag => value.is_boolean(),
        Of::Texts => value
            .as_array()
            .is_some_and(|all| all.iter().all(Value::is_string)),
        Of::TextMap => value
            .as_object()
            .is_some_and(|all| all.values().all(Value::is_string)),
        Of::Duration => value.as_str().is_some_and(is_duration),
        Of::Object(fields) => return wrong(&format!("{at}."), value, fields),
        Of::Objects(fields) => {
            let Some(all) = value.as_array() else {
                return Some(format!("{at} is no list"));
            };
            return all.iter().find_map(|one| wrong(&format!("{at}."), one, fields));
        }
    };
    (!right).then(|| format!("{at} is {value}, which is not {of:?}"))
}

fn is_duration(text: &str) -> bool {
    ["ms", "s", "m", "h"]
        .iter()
        .filter_map(|unit| text.strip_suffix(unit))
        .any(|number| number.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_documented_is_wrong() {
        let good = json!({"Name": "redis", "Port": 1, "Check": {"TCP": "h:1", "Interval": "10s"}});
        assert_eq!(wrong("", &good, AGENT_REGISTER), None);
        for (bad, why) in [
            (json!({"Port": 1}), "Name is missing"),
            (json!({"Name": ""}), "Name is \"\""),
            (
                json!({"Name": "redis", "Service": "redis"}),
                "Service is not documented",
            ),
            (json!({"Name": "redis", "Port": "6379"}), "Port is \"6379\""),
            (json!({"Name": "redis", "Tags": null}), "Tags is null"),
            (
                json!({"Name": "redis", "Check": {"TCP": "h:1"}}),
                "without Interval",
            ),
            (
                json!({"Name": "redis", "Check": {"Tcp": "h:1"}}),
                "Check.Tcp is not documented",
            ),
            (
                json!({"Name": "redis", "Check": {"TTL": "10"}}),
                "Check.TTL is \"10\"",
            ),
            (json!([]), "no object"),
        ] {
            let said = wrong("", &bad, AGENT_REGISTER).unwrap_or_default();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
