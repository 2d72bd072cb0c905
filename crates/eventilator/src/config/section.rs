//! The file's tables, with keys as people spell them.
//!
//! Keys are matched as the TOML parser of the program that this one replaces did, and more leniently: neither case nor underscores count, so
//! `RedisAddress`, `redis_address` and `redisaddress` are one key. What a value must be is known to who asks for it, so one that nobody asks for
//! may be anything.

use std::collections::BTreeMap;

/// A table of the file, or its top.
pub(super) struct Section {
    /// As people write it: `Slack`; empty for the top.
    title: &'static str,
    /// Values by their bare keys.
    values: BTreeMap<String, (String, Raw)>,
    /// Only the first of several tables of one title listens to the environment.
    first: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// A text, a number or a flag.
    One(String),
    /// Several.
    Many(Vec<String>),
    /// What no key takes.
    Odd(&'static str),
}

/// A table that can be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Title {
    /// As people write it.
    pub(super) name: &'static str,
    /// Whether `[[name]]` makes several.
    pub(super) several: bool,
}

/// What the tables are, and what is odd about them.
pub(super) struct Tables {
    pub(super) top: Section,
    /// At least one of each title, in the order of the titles' first one.
    pub(super) sections: Vec<Section>,
    /// Each with the title of the table that it is about; empty for the top.
    pub(super) problems: Vec<(&'static str, String)>,
    pub(super) warnings: Vec<String>,
}

/// A key without what does not count.
pub(super) fn bare(key: &str) -> String {
    key.chars()
        .filter(|sign| *sign != '_' && *sign != '-')
        .flat_map(char::to_lowercase)
        .collect()
}

impl Tables {
    /// Takes the file apart.
    pub(super) fn read(file: toml::Table, titles: &[Title]) -> Self {
        let mut tables = Self {
            top: Section::new("", true),
            sections: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        for (key, value) in file {
            let title = titles.iter().find(|title| bare(title.name) == bare(&key));
            match (title, value) {
                (Some(title), toml::Value::Table(table)) => tables.add(*title, &key, vec![table.into()]),
                (Some(title), toml::Value::Array(values)) => tables.add(*title, &key, values),
                (Some(title), other) => tables.odd(
                    title.name,
                    format!(
                        "{key}: a {} is no table; write [{}]",
                        other.type_str(),
                        title.name
                    ),
                ),
                (None, toml::Value::Table(_)) => tables
                    .warnings
                    .push(format!("[{key}] is no table that is known; it is left aside")),
                (None, value) => tables.top.keep(&key, value, &mut tables.problems),
            }
        }
        for title in titles {
            if !tables.has(*title) {
                tables.sections.push(Section::new(title.name, true));
            }
        }
        tables
    }

    /// Takes the section of a title, the first if there are several.
    pub(super) fn take(&mut self, title: &'static str) -> Section {
        let at = self.sections.iter().position(|section| section.title == title);
        at.map_or_else(|| Section::new(title, true), |at| self.sections.remove(at))
    }

    /// Takes what is wrong with the form of one title's tables.
    pub(super) fn take_problems(&mut self, title: &str) -> Vec<String> {
        let (these, others) = std::mem::take(&mut self.problems)
            .into_iter()
            .partition(|(about, _)| *about == title);
        self.problems = others;
        these.into_iter().map(|(_, problem)| problem).collect()
    }

    fn odd(&mut self, title: &'static str, problem: String) {
        self.problems.push((title, problem));
    }

    fn has(&self, title: Title) -> bool {
        self.sections.iter().any(|section| section.title == title.name)
    }

    fn add(&mut self, title: Title, key: &str, values: Vec<toml::Value>) {
        let Title { name, several } = title;
        if self.has(title) || (values.len() > 1 && !several) {
            let remedy = if several {
                format!("keep one, or write [[{name}]] for each")
            } else {
                "keep one".to_owned()
            };
            self.odd(
                name,
                format!("[{key}]: there is more than one such table; {remedy}"),
            );
            return;
        }
        for value in values {
            if let toml::Value::Table(table) = value {
                let mut section = Section::new(name, !self.has(title));
                for (key, value) in table {
                    section.keep(&key, value, &mut self.problems);
                }
                self.sections.push(section);
            } else {
                let kind = value.type_str();
                self.odd(name, format!("[{key}]: a {kind} is no table; write [{name}]"));
            }
        }
    }
}

impl Section {
    pub(super) fn new(title: &'static str, first: bool) -> Self {
        Self {
            title,
            values: BTreeMap::new(),
            first,
        }
    }

    pub(super) fn title(&self) -> &'static str {
        self.title
    }

    /// Whether it listens to the environment.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// How a key is named to people.
    pub(super) fn place(&self, key: &str) -> String {
        match self.title {
            "" => key.to_owned(),
            title => format!("[{title}] {key}"),
        }
    }

    /// The value of a key, and the key as it was spelled. Who asked has it; it is not there any more.
    pub(super) fn take(&mut self, name: &str) -> Option<(String, Raw)> {
        let (key, raw) = self.values.remove(&bare(name))?;
        // As if it were not there: samples have `Token = ""`.
        (raw != Raw::One(String::new())).then_some((key, raw))
    }

    /// Whether a key has a value.
    pub(super) fn holds(&self, name: &str) -> bool {
        let value = self.values.get(&bare(name));
        value.is_some_and(|(_, raw)| *raw != Raw::One(String::new()))
    }

    /// The keys that nobody asked for, as they were spelled.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        self.values.values().map(|(key, _)| key.as_str())
    }

    fn keep(&mut self, key: &str, value: toml::Value, problems: &mut Vec<(&'static str, String)>) {
        if let Some((other, _)) = self.values.insert(bare(key), (key.to_owned(), raw(value))) {
            let place = self.place(key);
            problems.push((
                self.title,
                format!("{place}: it is the same key as `{other}`; keep one of them"),
            ));
        }
    }
}

fn raw(value: toml::Value) -> Raw {
    let kind = value.type_str();
    if let toml::Value::Array(values) = value {
        let words: Option<Vec<_>> = values.into_iter().map(one).collect();
        words.map_or(Raw::Odd("list of other things than texts"), Raw::Many)
    } else {
        one(value).map_or(Raw::Odd(kind), Raw::One)
    }
}

fn one(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
