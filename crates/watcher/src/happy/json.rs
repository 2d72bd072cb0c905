//! redishappy's `config.json`, as Go reads JSON into a type: whatever the case of the keys, `null` and a missing key alike, what is not
//! known left aside. All that is wrong is found, and not the first thing alone.

use ::settings::Problem;
use serde_json::{Map, Value};

/// The file as it is written, with every type right and no value judged yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) keep_alive: i64,
    pub(super) clusters: Vec<RawCluster>,
    pub(super) sentinels: Vec<RawSentinel>,
    pub(super) haproxy: RawHaProxy,
    pub(super) consul: RawConsul,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawCluster {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) external_port: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawSentinel {
    pub(super) place: String,
    pub(super) host: String,
    pub(super) port: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawHaProxy {
    pub(super) template: String,
    pub(super) output: String,
    pub(super) reload: String,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawConsul {
    pub(super) address: String,
    /// `None` where the key is missing or null: the pages tell it from an empty list.
    pub(super) services: Option<Vec<RawService>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawService {
    pub(super) place: String,
    pub(super) cluster: String,
    pub(super) node: String,
    pub(super) datacenter: String,
    pub(super) tags: Option<Vec<String>>,
}

/// What was found on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

/// Reads the bytes of `file`, which is only a name here.
pub(super) fn parse(file: &str, bytes: &[u8], notes: &mut Notes) -> File {
    // An editor's byte order mark is no reason to refuse what follows.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            let wrong = format!("is no JSON ({error}); comments are not allowed in it");
            notes.problems.push(Problem::new(file, wrong));
            return File::default();
        }
    };
    let whole = Place {
        file,
        path: String::new(),
        value: &value,
    };
    let keys = [
        "SentinelTCPKeepAlive",
        "Clusters",
        "Sentinels",
        "HAProxy",
        "Consul",
    ];
    let [keep_alive, clusters, sentinels, haproxy, consul] = whole.fields(keys, notes);
    let [template, output, reload] = haproxy.fields(["TemplatePath", "OutputPath", "ReloadCommand"], notes);
    let [address, services] = consul.fields(["Address", "Services"], notes);
    File {
        keep_alive: keep_alive.whole_number(notes),
        clusters: clusters.each(notes, cluster).unwrap_or_default(),
        sentinels: sentinels.each(notes, sentinel).unwrap_or_default(),
        haproxy: RawHaProxy {
            template: template.text(notes),
            output: output.text(notes),
            reload: reload.text(notes),
        },
        consul: RawConsul {
            address: address.text(notes),
            services: services.each(notes, service),
        },
    }
}

fn cluster(one: &Place<'_>, notes: &mut Notes) -> RawCluster {
    let [name, external_port] = one.fields(["Name", "ExternalPort"], notes);
    RawCluster {
        place: one.name(),
        name: name.text(notes),
        external_port: external_port.whole_number(notes),
    }
}

fn sentinel(one: &Place<'_>, notes: &mut Notes) -> RawSentinel {
    let [host, port] = one.fields(["Host", "Port"], notes);
    RawSentinel {
        place: one.name(),
        host: host.text(notes),
        port: port.whole_number(notes),
    }
}

fn service(one: &Place<'_>, notes: &mut Notes) -> RawService {
    let [cluster, node, datacenter, tags] = one.fields(["Cluster", "Node", "Datacenter", "Tags"], notes);
    RawService {
        place: one.name(),
        cluster: cluster.text(notes),
        node: node.text(notes),
        datacenter: datacenter.text(notes),
        tags: tags.each(notes, text),
    }
}

fn text(one: &Place<'_>, notes: &mut Notes) -> String {
    one.text(notes)
}

/// A value, and where in the file it is.
struct Place<'a> {
    file: &'a str,
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    fn name(&self) -> String {
        match self.path.as_str() {
            "" => self.file.to_owned(),
            path => format!("{}: {path}", self.file),
        }
    }

    fn below(&self, key: &str, value: &'a Value) -> Self {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let file = self.file;
        Self { file, path, value }
    }

    /// The values of these keys, whatever their case; null where there is none.
    fn fields<const N: usize>(&self, keys: [&str; N], notes: &mut Notes) -> [Self; N] {
        let nothing = Map::new();
        let object = match self.value {
            Value::Object(object) => object,
            Value::Null => &nothing,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.complain("is no object; write {\"key\": value, ...}", notes);
                &nothing
            }
        };
        let is = |key: &str, known: &str| key.to_lowercase() == known.to_lowercase();
        let strangers: Vec<String> = object
            .keys()
            .filter(|key| !keys.iter().any(|known| is(key, known)))
            .map(|key| format!("`{}`", key.escape_debug()))
            .collect();
        if !strangers.is_empty() {
            notes.warnings.push(format!(
                "{}: {} has no effect; the keys are {}",
                self.name(),
                strangers.join(", "),
                keys.join(", ")
            ));
        }
        keys.map(|known| {
            let mut found = self
                .object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| is(key, known));
            let value = found.next().map_or(&Value::Null, |(_, value)| value);
            let place = self.below(known, value);
            if found.next().is_some() {
                place.complain("is there more than once, in another case; keep one", notes);
            }
            place
        })
    }

    fn object(&self) -> Option<&'a Map<String, Value>> {
        self.value.as_object()
    }

    fn each<T>(&self, notes: &mut Notes, read: impl Fn(&Place<'_>, &mut Notes) -> T) -> Option<Vec<T>> {
        match self.value {
            Value::Null => None,
            Value::Array(values) => Some(
                values
                    .iter()
                    .enumerate()
                    .map(|(at, value)| {
                        let path = format!("{}[{at}]", self.path);
                        let file = self.file;
                        read(&Place { file, path, value }, notes)
                    })
                    .collect(),
            ),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                self.complain("is no list; write [value, ...]", notes);
                None
            }
        }
    }

    fn text(&self, notes: &mut Notes) -> String {
        match self.value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.complain("is no text; write it in double quotes", notes);
                String::new()
            }
        }
    }

    fn whole_number(&self, notes: &mut Notes) -> i64 {
        let number = match self.value {
            Value::Null => Some(0),
            Value::Number(number) => number.as_i64(),
            Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.unwrap_or_else(|| {
            self.complain("is no whole number; write it without quotes", notes);
            0
        })
    }

    fn complain(&self, wrong: &str, notes: &mut Notes) {
        let value = self.value.to_string();
        notes
            .problems
            .push(Problem::with_value(self.name(), &value, wrong));
    }
}
