//! The group as a table.

use topology::{Addr, LinkStatus, Role};

use super::view::{SeenRedis, SeenSentinel, SeenWatcher, View};

type Row = [String; 6];

pub(super) fn render(view: &View) -> String {
    let heads = ["role", "address", "pids", "state", "offset", "the Sentinels say"].map(str::to_owned);
    let mut rows = vec![heads];
    let mut redis: Vec<&SeenRedis> = view.redis.iter().collect();
    redis.sort_by_key(|redis| !redis.is_master());
    rows.extend(redis.into_iter().map(|redis| redis_row(redis, view)));
    rows.extend(view.sentinels.iter().map(sentinel_row));
    rows.extend(view.watchers.iter().map(watcher_row));
    let published = or_dash(view.published.as_ref().map(Addr::contract));
    format!("{}\n  /redis/master holds `{published}`", aligned(&rows))
}

fn redis_row(redis: &SeenRedis, view: &View) -> Row {
    let (role, state) = match redis.replication.as_ref().map(|seen| (&seen.role, seen.link)) {
        Some((Role::Master, _)) => ("master", "accepts writes".to_owned()),
        Some((Role::Replica { of }, Some(LinkStatus::Up))) => ("replica", format!("follows {}", of.port())),
        Some((Role::Replica { of }, _)) => ("replica", format!("no link to {}", of.port())),
        None => ("redis", "does not answer".to_owned()),
    };
    let offset = redis.replication.as_ref().map(|seen| seen.offset.to_string());
    [
        role.to_owned(),
        redis.addr.to_string(),
        pids([redis.wrapper, redis.server]),
        state,
        or_dash(offset),
        said(&redis.addr, &view.sentinels),
    ]
}

/// How many Sentinels say what about it.
fn said(addr: &Addr, sentinels: &[SeenSentinel]) -> String {
    let all = sentinels.len();
    let master = sentinels
        .iter()
        .filter(|sentinel| sentinel.master.as_ref() == Some(addr));
    let replica = sentinels
        .iter()
        .filter(|sentinel| sentinel.replicas.contains(addr));
    match (master.count(), replica.count()) {
        (0, 0) => "-".to_owned(),
        (0, replica) => format!("replica ({replica} of {all})"),
        (master, 0) => format!("master ({master} of {all})"),
        (master, replica) => format!("master ({master} of {all}), replica ({replica})"),
    }
}

fn sentinel_row(sentinel: &SeenSentinel) -> Row {
    let master = or_dash(sentinel.master.as_ref().map(|addr| addr.port().to_string()));
    let state = if sentinel.registered {
        "registered"
    } else {
        "not registered"
    };
    let said = format!(
        "{master} is master, {} replicas, {} others",
        sentinel.replicas.len(),
        sentinel.others.len()
    );
    let addr = sentinel.addr.to_string();
    [
        "sentinel".to_owned(),
        addr,
        pids([sentinel.wrapper, sentinel.server]),
        state.to_owned(),
        String::new(),
        said,
    ]
}

fn watcher_row(watcher: &SeenWatcher) -> Row {
    let master = or_dash(watcher.master.as_ref().map(|addr| addr.port().to_string()));
    [
        "watcher".to_owned(),
        watcher.addr.to_string(),
        pids([watcher.pid, None]),
        or_dash(watcher.part.clone()),
        String::new(),
        format!("tells {master} at http://{}", watcher.addr),
    ]
}

/// The wrapper's and its server's.
fn pids(pids: [Option<u32>; 2]) -> String {
    let known: Vec<String> = pids.iter().flatten().map(u32::to_string).collect();
    or_dash((!known.is_empty()).then(|| known.join(" ")))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn aligned(rows: &[Row]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &Row| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::view::tests::settled;

    #[test]
    fn the_master_comes_first_and_columns_are_aligned() {
        let mut view = settled();
        view.redis.rotate_left(1);
        view.redis[0].replication = None;
        let table = render(&view);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("  master    127.0.0.1:1 "), "{table}");
        assert!(lines[2].contains("does not answer"), "{table}");
        assert!(lines[1].ends_with("master (3 of 3)"), "{table}");
        let column = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{word}: {table}"));
        assert_eq!(column(lines[0], "the Sentinels"), column(lines[3], "replica (3"));
        assert!(table.ends_with("/redis/master holds `127.0.0.1 1`"), "{table}");
    }
}
