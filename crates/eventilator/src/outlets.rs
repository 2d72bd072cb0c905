//! The sinks of a configuration, each under its name.

use crate::config::Config;
use crate::receivers::{Exec, Http, Sensu, SetupError, Slack, Syslog};
use crate::sink::Sink;

/// All that events are delivered to, but for the store.
pub type Outlets = Vec<Box<dyn Sink>>;

/// Makes the sinks; every problem at once.
pub fn outlets(config: &Config) -> Result<Outlets, Vec<SetupError>> {
    let mut sinks: Outlets = Vec::new();
    let mut problems = Vec::new();
    let (sinks_, problems_) = (&mut sinks, &mut problems);
    for slack in &config.slack {
        keep(Slack::new(slack.clone()), sinks_, problems_);
    }
    for sensu in &config.sensu {
        keep(Sensu::new(sensu.clone()), sinks_, problems_);
    }
    for http in &config.http {
        keep(Http::new(http.clone()), sinks_, problems_);
    }
    for syslog in &config.syslog {
        keep(Syslog::new(syslog.clone()), sinks_, problems_);
    }
    for exec in &config.exec {
        keep(Exec::new(exec.clone()), sinks_, problems_);
    }
    if problems.is_empty() {
        Ok(sinks)
    } else {
        Err(problems)
    }
}

fn keep<S: Sink + 'static>(made: Result<S, SetupError>, sinks: &mut Outlets, problems: &mut Vec<SetupError>) {
    match made {
        Ok(sink) => sinks.push(Box::new(sink)),
        Err(problem) => problems.push(problem),
    }
}
