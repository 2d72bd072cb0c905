//! The tables of the receivers.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::source::Source;
use super::trigger::trigger;
use super::{Config, Mode};
use crate::receivers::{
    DEFAULT_API, ExecConfig, Facility, HttpConfig, Method, SensuConfig, SlackConfig, SyslogConfig, SyslogTo,
};
use crate::reconfiguration;

/// Reads one table of a receiver.
pub(super) fn read(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    host: &str,
    timeout: Duration,
) {
    let switch = source.flag(section, "Enabled");
    let before = source.problems.len();
    let on = match section.title() {
        "Slack" => slack(source, section, config, host, timeout, switch),
        "SensuJIT" => sensu(source, section, config, host, timeout, switch),
        "HTTP" => http(source, section, config, timeout, switch),
        "Syslog" => syslog(source, section, config, timeout, switch),
        "Exec" => exec(source, section, config, timeout, switch),
        _ => unused(source, section, switch),
    };
    if !on {
        // What is switched off stops nothing.
        let problems = source.problems.split_off(before);
        source.warnings.extend(problems);
    }
}

fn name(source: &mut Source<'_>, section: &mut Section, kind: &str) -> String {
    match source.text(section, "Name") {
        Some(name) => format!("{kind}:{name}"),
        None => kind.to_owned(),
    }
}

/// What both modes' receivers are for when nothing is said: of a reconfigurator the failover itself.
fn every(mode: Mode) -> Option<&'static [&'static str]> {
    match mode {
        Mode::Eventilator => None,
        Mode::Reconfigurator => Some(&[reconfiguration::EVENT]),
    }
}

fn port(source: &mut Source<'_>, section: &mut Section, usual: u16) -> u16 {
    let port: Option<NonZeroU16> = source.parsed(section, "Port", &usual.to_string());
    port.map_or(usual, NonZeroU16::get)
}

fn own_timeout(source: &mut Source<'_>, section: &mut Section, timeout: Duration) -> Duration {
    let within = (Duration::from_millis(10), Duration::from_secs(5 * 60));
    source.duration(section, "Timeout", within).unwrap_or(timeout)
}

fn slack(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    host: &str,
    timeout: Duration,
    switch: Option<bool>,
) -> bool {
    let usual = ["+odown", "-odown", "+sdown", "-sdown", "+promoted-slave"];
    let usual: &[&str] = match config.mode {
        Mode::Eventilator => &usual,
        Mode::Reconfigurator => &[reconfiguration::EVENT],
    };
    let said = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    let slack = SlackConfig {
        name: name(source, section, "slack"),
        token: source.secret(section, "Token"),
        webhook: source.secret(section, "WebhookURL"),
        channel: said(source.text(section, "Channel"), "sentinel-events"),
        author_name: said(source.text(section, "AuthorName"), "eventilator"),
        author_subname: said(source.text(section, "AuthorSubname"), host),
        username: said(source.text(section, "Username"), "eventilator"),
        trigger: trigger(source, section, config.mode, Some(usual)),
        api: said(source.text(section, "API"), DEFAULT_API),
        reporter: host.to_owned(),
        ca: source.text(section, "CA").map(PathBuf::from),
        timeout: own_timeout(source, section, timeout),
    };
    if switch != Some(true) {
        return false;
    }
    if slack.token.is_none() && slack.webhook.is_none() {
        source.problems.push(format!(
            "[Slack] {}: it is enabled and has neither Token nor WebhookURL; name a file with the token: TokenFile",
            slack.name
        ));
    }
    config.slack.push(slack);
    true
}

fn sensu(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    host: &str,
    timeout: Duration,
    switch: Option<bool>,
) -> bool {
    let sensu = SensuConfig {
        name: name(source, section, "sensujit"),
        ip: source
            .text(section, "IP")
            .unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: port(source, section, 3030),
        trigger: trigger(
            source,
            section,
            config.mode,
            Some(&["+odown", "-odown", "+promoted-slave"]),
        ),
        handler_no_good_slave: source.text(section, "HandlerNoGoodSlave").unwrap_or_default(),
        handler_promoted_slave: source.text(section, "HandlerPromotedSlave").unwrap_or_default(),
        reporter: host.to_owned(),
        timeout: own_timeout(source, section, timeout.min(Duration::from_secs(5))),
    };
    let on = switch == Some(true);
    if on {
        config.sensu.push(sensu);
    }
    on
}

fn http(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    timeout: Duration,
    switch: Option<bool>,
) -> bool {
    let before = source.problems.len();
    let url = source.secret(section, "URL");
    // A file that is named and cannot be read was not meant to switch it off.
    let unreadable = source.problems.len() > before;
    let on = switch.unwrap_or(url.is_some() || unreadable);
    let method = match source
        .text(section, "Method")
        .map(|word| word.to_ascii_uppercase())
        .as_deref()
    {
        None | Some("POST") => Method::Post,
        Some("PUT") => Method::Put,
        Some(other) => {
            source
                .problems
                .push(format!("[HTTP] Method: `{other}` is neither POST nor PUT"));
            Method::Post
        }
    };
    let name = name(source, section, "http");
    let (token, secret) = (source.secret(section, "Token"), source.secret(section, "Secret"));
    let ca = source.text(section, "CA").map(PathBuf::from);
    let trigger = trigger(source, section, config.mode, every(config.mode));
    let timeout = own_timeout(source, section, timeout);
    match (on, url) {
        (true, Some(url)) => config.http.push(HttpConfig {
            name,
            url,
            method,
            token,
            secret,
            ca,
            trigger,
            timeout,
        }),
        (true, None) if unreadable => {}
        (true, None) => source.problems.push(format!(
            "[HTTP] {name}: it is enabled and has no URL; write for example URL = \"https://alerts.example/redis\""
        )),
        (false, _) => {}
    }
    on
}

fn syslog(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    timeout: Duration,
    switch: Option<bool>,
) -> bool {
    let socket = source.text(section, "Socket");
    let host = source.text(section, "Address");
    let port = port(source, section, 514);
    let tcp = source.flag(section, "TCP").unwrap_or(false);
    match (&host, &socket) {
        (None, _) if tcp => source.problems.push(
            "[Syslog]: TCP is set and no Address; write for example Address = \"logs.example\"".to_owned(),
        ),
        (Some(_), Some(_)) => source
            .warnings
            .push("[Syslog]: Address wins over Socket".to_owned()),
        (Some(_) | None, _) => {}
    }
    let to = match (host, tcp) {
        (Some(host), true) => SyslogTo::Tcp { host, port },
        (Some(host), false) => SyslogTo::Udp { host, port },
        (None, _) => SyslogTo::Socket(socket.map_or_else(|| PathBuf::from("/dev/log"), PathBuf::from)),
    };
    let syslog = SyslogConfig {
        name: name(source, section, "syslog"),
        to,
        facility: source
            .parsed(section, "Facility", "daemon")
            .unwrap_or(Facility::Daemon),
        tag: source
            .text(section, "Tag")
            .unwrap_or_else(|| config.mode.name().to_owned()),
        trigger: trigger(source, section, config.mode, every(config.mode)),
        timeout: own_timeout(source, section, timeout.min(Duration::from_secs(5))),
    };
    let on = switch == Some(true);
    if on {
        config.syslog.push(syslog);
    }
    on
}

fn exec(
    source: &mut Source<'_>,
    section: &mut Section,
    config: &mut Config,
    timeout: Duration,
    switch: Option<bool>,
) -> bool {
    let command = source.text(section, "Command").map(PathBuf::from);
    let on = switch.unwrap_or(command.is_some());
    let name = name(source, section, "exec");
    let args = source.list(section, "Arguments").unwrap_or_default();
    let trigger = trigger(source, section, config.mode, every(config.mode));
    let timeout = own_timeout(source, section, timeout);
    match (on, command) {
        (true, Some(command)) if command.is_absolute() => config.exec.push(ExecConfig {
            name,
            command,
            args,
            trigger,
            timeout,
        }),
        (true, Some(command)) => source.problems.push(format!(
            "[Exec] {name}: Command `{}` is not a whole path; write for example /usr/local/bin/page-somebody",
            command.display()
        )),
        (true, None) => source.problems.push(format!(
            "[Exec] {name}: it is enabled and has no Command; write for example Command = \"/usr/local/bin/page-somebody\""
        )),
        (false, _) => {}
    }
    on
}

/// Sensu's own API was never spoken to; its table was always read and left aside.
fn unused(source: &mut Source<'_>, section: &mut Section, switch: Option<bool>) -> bool {
    for key in ["Hostname", "User", "Token", "Port"] {
        let _ = source.text(section, key);
    }
    let _ = source.list(section, "TriggerOn");
    if switch == Some(true) {
        source
            .warnings
            .push("[Sensu]: it is not used; [SensuJIT] tells a local Sensu client, [HTTP] an API".to_owned());
    }
    false
}

/// What was delivered is remembered by a sink's name.
pub(super) fn names_are_unique(config: &Config, problems: &mut Vec<String>) {
    let names = (config.slack.iter().map(|sink| &sink.name))
        .chain(config.sensu.iter().map(|sink| &sink.name))
        .chain(config.http.iter().map(|sink| &sink.name))
        .chain(config.syslog.iter().map(|sink| &sink.name))
        .chain(config.exec.iter().map(|sink| &sink.name));
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.push(format!(
                "two receivers are called {name}; give each a Name of its own"
            ));
        }
    }
}
