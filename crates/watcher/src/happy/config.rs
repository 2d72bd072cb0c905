//! Where redishappy's settings meet our own: one command line, one list of problems.
//!
//! `watcher/src/config.rs` asks [`told`] first. What is not redishappy's goes on to our own reader, and [`Given::record`] puts what
//! redishappy's part came to into that reader, so that every problem of both is told at once.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use ::settings::{Outcome, Problem, Problems, Reader, vars};

use super::files::can_be_replaced;
use super::flags::{Front, parse};
use super::help::help;
use super::settings::Settings;

/// What redishappy's part of the command line and the environment comes to.
#[derive(Debug)]
pub enum Told {
    /// Print this, and end with exit code 0.
    Show(String),
    /// Go on with this.
    Run(Box<Given>),
}

/// redishappy's part, read.
#[derive(Debug)]
pub struct Given {
    /// The command line without redishappy's flags, for our own reader; the program's name first.
    pub rest: Vec<OsString>,
    settings: Result<Settings, Problems>,
}

/// Reads redishappy's part of the command line (the program's name first) and of the environment.
pub fn told(
    args: &[OsString],
    lookup: impl Fn(&str) -> Option<OsString>,
    read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Told {
    let mut words = parse(args);
    let rest = std::mem::take(&mut words.rest);
    if words.help {
        return Told::Show(help());
    }
    let settings = Settings::from_words(Front::of(args), words, &lookup, &read_file);
    Told::Run(Box::new(Given { rest, settings }))
}

impl Given {
    /// Puts the problems and the warnings among the others, and warns of our own variables that have no effect beside redishappy's.
    pub fn record(self, reader: &mut Reader<'_>) -> Outcome<Settings> {
        let settings = match self.settings {
            Ok(settings) => settings,
            Err(problems) => return Err(reader.problems(problems)),
        };
        let output = settings.haproxy.as_ref().map(|haproxy| &haproxy.output);
        if let Some(output) = output
            && let Err(why) = can_be_replaced(output)
        {
            let wrong = format!("{why}; give this user that directory, or name another file");
            let value = output.to_string_lossy();
            return Err(reader.problem(Problem::with_value("HAProxy.OutputPath", &value, wrong)));
        }
        for warning in &settings.warnings {
            reader.warn(warning);
        }
        self::without_effect(&settings, reader)?;
        Ok(settings)
    }
}

/// Says of each of our variables that redishappy's configuration stands for it, and shows what holds instead.
fn without_effect(settings: &Settings, reader: &mut Reader<'_>) -> Outcome<()> {
    let zookeeper = [
        &vars::ZK_HOSTS,
        &vars::ZK_ROOT,
        &vars::MASTER_NAME,
        &vars::GROUPS,
        &vars::EXTERNAL_PORT,
    ];
    let haproxy = [
        &vars::HAPROXY_TEMPLATE,
        &vars::HAPROXY_OUTPUT,
        &vars::HAPROXY_RELOAD,
    ];
    let consul = [
        &vars::CONSUL,
        &vars::CONSUL_DATACENTER,
        &vars::CONSUL_NODE,
        &vars::CONSUL_SERVICE,
        &vars::CONSUL_TAGS,
        &vars::CONSUL_KEY,
    ];
    let mut taken = zookeeper.to_vec();
    if settings.haproxy.is_some() {
        taken.extend(haproxy);
    }
    if let Some(told) = &settings.consul {
        taken.extend(consul);
        taken.extend(told.address.is_some().then_some(&vars::CONSUL_HTTP_ADDR));
    }
    for variable in taken {
        if let Some(said) = reader.said(variable)? {
            let name = said.name;
            reader.warn(format!(
                "{name} has no effect beside redishappy's configuration, which says it"
            ));
        }
        reader.holds(variable, None::<&str>);
    }
    // Marathon sets PORT0 beside PORT, to the same.
    match reader.said(&vars::PORT0)? {
        Some(said) if said.text.trim() != settings.listen.port().to_string() => {
            let (name, listen) = (said.name, settings.listen);
            reader.warn(format!(
                "{name} has no effect here; the pages are at {listen}, by -bind, BIND or PORT"
            ));
        }
        Some(_) | None => {}
    }
    reader.holds(&vars::PORT0, Some(settings.listen));
    if let Some(haproxy) = &settings.haproxy {
        reader.holds(&vars::HAPROXY_TEMPLATE, Some(haproxy.template.display()));
        reader.holds(&vars::HAPROXY_OUTPUT, Some(haproxy.output.display()));
        reader.holds(&vars::HAPROXY_RELOAD, Some(&haproxy.reload));
    }
    if let Some(address) = settings
        .consul
        .as_ref()
        .and_then(|consul| consul.address.as_ref())
    {
        reader.holds(&vars::CONSUL_HTTP_ADDR, Some(address));
    }
    Ok(())
}
