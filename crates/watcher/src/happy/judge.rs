//! Whether what the configuration says can work: redishappy's own checks at start, and those that it lacks, none of which touches the live
//! file.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use ::settings::Problem;
use topology::{Addr, MasterName};

use super::flags::Front;
use super::json::{File, Notes, RawConsul, RawHaProxy};
use super::settings::{Cluster, Consul, HaProxy, Service};

/// The values of the file that are worth something; what is not is a problem.
pub(super) struct Judged {
    pub(super) keep_alive: Option<Duration>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) sentinels: Vec<Addr>,
    pub(super) haproxy: Option<HaProxy>,
    pub(super) consul: Option<Consul>,
}

impl Judged {
    pub(super) fn of(
        front: Front,
        file: &File,
        readable: bool,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
        notes: &mut Notes,
    ) -> Self {
        let clusters = clusters(file, notes);
        let sentinels = sentinels(file, notes);
        for (missing, what, example) in [
            (
                file.clusters.is_empty(),
                "Clusters",
                "REDISHAPPY_CLUSTERS=sessions:6379",
            ),
            (
                file.sentinels.is_empty(),
                "Sentinels",
                "REDISHAPPY_SENTINELS=10.0.0.7:26379;10.0.0.8:26379",
            ),
        ] {
            if missing && readable {
                let wrong = format!("has none; write at least one, or set for example {example}");
                notes.problems.push(Problem::new(what, wrong));
            }
        }
        let keep_alive = keep_alive(file.keep_alive, notes);
        let (haproxy, consul) = match front {
            Front::HaProxy => (haproxy(&file.haproxy, readable, read_file, notes), None),
            Front::Consul => (None, Some(consul(&file.consul, &clusters, readable, notes))),
            Front::None => (None, None),
            Front::AsConfigured => (
                (file.haproxy != RawHaProxy::default())
                    .then(|| haproxy(&file.haproxy, readable, read_file, notes))
                    .flatten(),
                (file.consul != RawConsul::default())
                    .then(|| consul(&file.consul, &clusters, readable, notes)),
            ),
        };
        Self {
            keep_alive,
            clusters,
            sentinels,
            haproxy,
            consul,
        }
    }
}

/// Nothing for 0, which theirs takes for the system's own.
fn keep_alive(seconds: i64, notes: &mut Notes) -> Option<Duration> {
    // What the kernel takes at most.
    match u64::try_from(seconds) {
        Ok(0) => None,
        Ok(seconds @ 1..=32_767) => Some(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => {
            let wrong = "is no time for a keep-alive; write 0 to 32767 seconds";
            let value = seconds.to_string();
            notes
                .problems
                .push(Problem::with_value("SentinelTCPKeepAlive", &value, wrong));
            None
        }
    }
}

fn clusters(file: &File, notes: &mut Notes) -> Vec<Cluster> {
    let (mut names, mut ports) = (BTreeSet::new(), BTreeSet::new());
    let mut clusters = Vec::new();
    for raw in &file.clusters {
        let (place, name) = (&raw.place, &raw.name);
        let known = MasterName::from_str(name).map_err(|error| {
            notes
                .problems
                .push(Problem::new(format!("{place}.Name"), error.to_string()));
        });
        let port = port(raw.external_port).map_err(|wrong| {
            let (at, value) = (format!("{place}.ExternalPort"), raw.external_port.to_string());
            notes.problems.push(Problem::with_value(at, &value, wrong));
        });
        if !names.insert(name) {
            let wrong = "is there twice; give each group one entry";
            notes
                .problems
                .push(Problem::with_value(format!("{place}.Name"), name, wrong));
        }
        if !ports.insert(raw.external_port) {
            notes.warnings.push(format!(
                "{place}.ExternalPort: {} is another cluster's too; where both are on one address, only one of them can be reached",
                raw.external_port
            ));
        }
        if let (Ok(name), Ok(external_port)) = (known, port) {
            clusters.push(Cluster { name, external_port });
        }
    }
    clusters
}

fn sentinels(file: &File, notes: &mut Notes) -> Vec<Addr> {
    let mut sentinels: Vec<Addr> = Vec::new();
    for raw in &file.sentinels {
        let place = &raw.place;
        let port = port(raw.port).map_err(|wrong| {
            let value = raw.port.to_string();
            notes
                .problems
                .push(Problem::with_value(format!("{place}.Port"), &value, wrong));
        });
        // The port is judged by itself, so any valid one serves to judge the host.
        match (Addr::new(raw.host.trim(), port.unwrap_or(1)), port) {
            (Ok(addr), Ok(_)) if !sentinels.contains(&addr) => sentinels.push(addr),
            (Ok(_), _) => {}
            (Err(error), _) => {
                notes
                    .problems
                    .push(Problem::new(format!("{place}.Host"), error.to_string()));
            }
        }
    }
    sentinels
}

fn port(number: i64) -> Result<u16, &'static str> {
    match u16::try_from(number) {
        Ok(0) | Err(_) => Err("is not a port; write a number from 1 to 65535"),
        Ok(port) => Ok(port),
    }
}

fn haproxy(
    raw: &RawHaProxy,
    readable: bool,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    notes: &mut Notes,
) -> Option<HaProxy> {
    let mut present = |key: &str, variable: &str, value: &str| {
        if value.is_empty() && readable {
            let wrong = format!("is empty; write it, or set {variable}");
            notes.problems.push(Problem::new(format!("HAProxy.{key}"), wrong));
        }
        !value.is_empty()
    };
    let there = [
        present("TemplatePath", "REDISHAPPY_HAPROXY_TEMPLATE_PATH", &raw.template),
        present("OutputPath", "REDISHAPPY_HAPROXY_OUTPUT_PATH", &raw.output),
        present("ReloadCommand", "REDISHAPPY_HAPROXY_RELOAD_CMD", &raw.reload),
    ];
    let mut absolute = |key: &str, path: &str| match std::path::absolute(path) {
        Ok(absolute) => Some(absolute),
        Err(error) => {
            let wrong = format!("is not a usable path ({error}); write an absolute one");
            let place = format!("HAProxy.{key}");
            notes.problems.push(Problem::with_value(place, path, wrong));
            None
        }
    };
    if there != [true; 3] {
        return None;
    }
    let template = absolute("TemplatePath", &raw.template)?;
    let output = absolute("OutputPath", &raw.output)?;
    if let Err(error) = read_file(&template) {
        let wrong = format!("cannot be read ({error}); name a readable template");
        notes
            .problems
            .push(Problem::with_value("HAProxy.TemplatePath", &raw.template, wrong));
    }
    Some(HaProxy {
        template,
        output,
        reload: raw.reload.clone(),
    })
}

fn consul(raw: &RawConsul, clusters: &[Cluster], readable: bool, notes: &mut Notes) -> Consul {
    let mut services: Vec<Service> = Vec::new();
    for service in raw.services.iter().flatten() {
        let place = &service.place;
        let names = clusters.iter().map(|cluster| &cluster.name);
        let Some(cluster) = names.into_iter().find(|name| name.as_str() == service.cluster) else {
            // Where REDISHAPPY_CLUSTERS narrows the file down, this is meant.
            notes.warnings.push(format!(
                "{place}.Cluster: `{}` is none of the clusters, and is not registered",
                service.cluster
            ));
            continue;
        };
        if services.iter().any(|known| known.cluster == *cluster) {
            notes.warnings.push(format!(
                "{place}.Cluster: `{cluster}` has an entry already, and that one counts"
            ));
            continue;
        }
        if service.node.is_empty() {
            let wrong = "is empty, and Consul registers no service without a node; write its name";
            notes.problems.push(Problem::new(format!("{place}.Node"), wrong));
        }
        services.push(Service {
            cluster: cluster.clone(),
            node: service.node.clone(),
            datacenter: Some(service.datacenter.clone()).filter(|name| !name.is_empty()),
            tags: service.tags.clone().unwrap_or_default(),
        });
    }
    let registered = |cluster: &&Cluster| services.iter().any(|known| known.cluster == cluster.name);
    if services.is_empty() && readable {
        let wrong = "has no entry for any of the clusters; write {\"Cluster\", \"Node\"} for each";
        notes.problems.push(Problem::new("Consul.Services", wrong));
    }
    for cluster in clusters.iter().filter(|cluster| !registered(cluster)) {
        let name = &cluster.name;
        notes.warnings.push(format!(
            "Consul.Services: has no entry for the cluster `{name}`, whose master Consul is not told"
        ));
    }
    Consul {
        address: Some(raw.address.trim().to_owned()).filter(|address| !address.is_empty()),
        services,
    }
}
