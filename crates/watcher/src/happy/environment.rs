//! `REDISHAPPY_*`, which win over the file: `name:port;name:port`, `host:port;host:port`, and HAProxy's three.

use std::ffi::OsString;

use ::settings::Problem;

use super::json::{File, Notes, RawCluster, RawSentinel};

const CLUSTERS: &str = "REDISHAPPY_CLUSTERS";
const SENTINELS: &str = "REDISHAPPY_SENTINELS";

/// Puts what the environment says over what the file says. True where it says enough to do without a file.
pub(super) fn over(file: &mut File, lookup: &dyn Fn(&str) -> Option<OsString>, notes: &mut Notes) {
    if let Some(text) = text(CLUSTERS, lookup, notes) {
        let example = "sessions:6379;cache:6380";
        file.clusters = entries(CLUSTERS, &text, example, notes)
            .map(|(name, external_port)| RawCluster {
                place: CLUSTERS.to_owned(),
                name,
                external_port,
            })
            .collect();
    }
    if let Some(text) = text(SENTINELS, lookup, notes) {
        let example = "10.0.0.7:26379;[::1]:26379";
        file.sentinels = entries(SENTINELS, &text, example, notes)
            .map(|(host, port)| RawSentinel {
                place: SENTINELS.to_owned(),
                host,
                port,
            })
            .collect();
    }
    let haproxy = &mut file.haproxy;
    for (name, place) in [
        ("REDISHAPPY_HAPROXY_TEMPLATE_PATH", &mut haproxy.template),
        ("REDISHAPPY_HAPROXY_OUTPUT_PATH", &mut haproxy.output),
        ("REDISHAPPY_HAPROXY_RELOAD_CMD", &mut haproxy.reload),
    ] {
        if let Some(text) = text(name, lookup, notes) {
            *place = text;
        }
    }
}

/// Whether the environment has what the file must have, so that there need be none.
pub(super) fn suffices(lookup: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| lookup(name).is_some_and(|value| !value.is_empty());
    set(CLUSTERS) && set(SENTINELS)
}

/// A variable's text; an empty one counts as unset.
pub(super) fn text(
    name: &str,
    lookup: &dyn Fn(&str) -> Option<OsString>,
    notes: &mut Notes,
) -> Option<String> {
    let value = lookup(name).filter(|value| !value.is_empty())?;
    if let Ok(text) = value.into_string() {
        return Some(text);
    }
    let wrong = "the value is not valid UTF-8; write plain text";
    notes.problems.push(Problem::new(name, wrong));
    None
}

/// `a:1;b:2`. What the parts are worth is judged with what the file says.
fn entries(
    name: &str,
    text: &str,
    example: &str,
    notes: &mut Notes,
) -> impl Iterator<Item = (String, i64)> + use<> {
    let mut found = Vec::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let parts = entry.rsplit_once(':').and_then(|(host, port)| {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            // `::1:26379` is as much the address ::1:26379.
            let clear = bare.is_some() || !host.contains(':');
            let port = port.parse::<i64>().ok().filter(|_| clear)?;
            Some((bare.unwrap_or(host).to_owned(), port))
        });
        match parts {
            Some(parts) => found.push(parts),
            None => notes.problems.push(Problem::with_value(
                name,
                entry,
                format!(
                    "has no `:port` at its end; write entries with `;` between them, for example {example}"
                ),
            )),
        }
    }
    found.into_iter()
}
