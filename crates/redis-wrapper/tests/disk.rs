//! What files of a real Redis tell before it is started.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_wrapper::disk::{Content, DataSet, DiskFacts, Layout};
use redis_wrapper::includes::Reading;
use redis_wrapper::template::{Origin, Template};
use testkit::{Redis, eventually};
use topology::arguments::as_lines;

const SOON: Duration = Duration::from_secs(10);

fn look(redis: &Redis, template: &str) -> DiskFacts {
    Layout::of(&Template::parse(template), redis.dir()).look()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn point(redis: &Redis, offset: &str) -> (String, i64) {
    let id = redis.info("master_replid").await.unwrap();
    (id, redis.info(offset).await.unwrap().parse().unwrap())
}

#[tokio::test]
async fn an_rdb_names_its_point_where_there_is_replication() {
    let master = Redis::start().await;
    assert_eq!(look(&master, "").data, DataSet::None);
    master.set("key", "value").await;
    master.command(&["SAVE"]).await.unwrap();
    let facts = look(&master, "");
    let DataSet::Rdb(header) = &facts.data else {
        panic!("{facts:?}")
    };
    assert_eq!(
        (&header.point, header.content),
        (&None, Content::Some),
        "a lone master"
    );
    assert!(now_ms().abs_diff(facts.modified_ms) < 60_000, "{facts:?}");

    let replica = Redis::builder().replica_of(master.addr()).start().await;
    eventually("link up", SOON, async || {
        replica
            .info("master_link_status")
            .await
            .filter(|link| link == "up")
    })
    .await;
    master.set("key", "other").await;
    master.command(&["WAIT", "1", "2000"]).await.unwrap();
    for (redis, offset) in [(&master, "master_repl_offset"), (&replica, "slave_repl_offset")] {
        // A PING of the master to its replicas may come in between.
        eventually("the saved point to be the one INFO gives", SOON, async || {
            redis.command(&["SAVE"]).await.unwrap();
            let told = point(redis, offset).await;
            let facts = look(redis, "");
            let DataSet::Rdb(header) = facts.data else {
                panic!("{facts:?}")
            };
            let point = header.point.unwrap();
            let saved = (point.id.as_str().to_owned(), point.offset);
            if saved == told {
                Ok(())
            } else {
                Err(format!("saved {saved:?}, told {told:?}"))
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_empty_data_set_is_told_from_one_with_keys() {
    let redis = Redis::builder().line("appendonly yes").start().await;
    let content = |facts: DiskFacts| match facts.data {
        DataSet::AppendOnly { content, .. } => content,
        DataSet::Rdb(header) => header.content,
        other @ (DataSet::None | DataSet::Unreadable(_)) => panic!("{other:?}"),
    };
    redis.command(&["SAVE"]).await.unwrap();
    assert_eq!(content(look(&redis, "")), Content::Empty);
    assert_eq!(content(look(&redis, "appendonly yes")), Content::Empty);
    redis.set("key", "value").await;
    assert_eq!(content(look(&redis, "appendonly yes")), Content::Some);
    redis.command(&["BGREWRITEAOF"]).await.unwrap();
    eventually("the rewrite to be done", SOON, async || {
        let facts = look(&redis, "appendonly yes");
        match facts.data {
            DataSet::AppendOnly {
                sequence: 2,
                bytes: 0,
                content: Content::Some,
            } => Ok(()),
            other @ (DataSet::None
            | DataSet::Rdb(_)
            | DataSet::AppendOnly { .. }
            | DataSet::Unreadable(_)) => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn an_append_only_file_tells_where_it_ends_and_when_it_was_written() {
    let lines =
        "appendonly yes\nappendfilename \"my own.aof\"\nappenddirname below\naof-timestamp-enabled yes";
    let redis = Redis::builder().line(lines).start().await;
    redis.set("key", "value").await;
    let first = look(&redis, lines);
    let DataSet::AppendOnly {
        sequence: 1, bytes, ..
    } = first.data
    else {
        panic!("{first:?}")
    };
    redis.set("key", "value").await;
    let second = look(&redis, lines);
    let DataSet::AppendOnly { bytes: grown, .. } = second.data else {
        panic!("{second:?}")
    };
    let appended = "*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$5\r\nvalue\r\n".len() as u64;
    let time_stamp = "#TS:1234567890\r\n".len() as u64;
    assert!(
        [appended, appended + time_stamp].contains(&(grown - bytes)),
        "{bytes} then {grown}"
    );
    assert!(now_ms().abs_diff(second.modified_ms) < 60_000, "{second:?}");
    assert_eq!(second.files.len(), 3, "{second:?}");
    assert_eq!(
        look(&redis, "appendonly yes").data,
        DataSet::None,
        "nothing by those names"
    );
    let args = ["--appendonly", "no"].map(str::to_owned);
    let mut reading = Reading::new(redis.dir());
    reading.text(lines, &Origin::Template).unwrap();
    reading
        .text(&as_lines(&args).unwrap(), &Origin::Arguments)
        .unwrap();
    let by_arguments = Layout::of(&reading.end(), redis.dir()).look();
    assert_eq!(by_arguments.data, DataSet::None, "an argument outranks the file");
}

#[tokio::test]
async fn what_is_in_memory_alone_is_not_said_to_be_on_the_disk() {
    let before = SystemTime::now();
    let master = Redis::start().await;
    master.set("key", "value").await;
    let replica = Redis::builder()
        .replica_of(master.addr())
        .line("appendonly yes")
        .start()
        .await;
    let layout = Layout::of(&Template::parse("appendonly yes"), replica.dir());
    eventually("the first copy to be on the disk", SOON, async || {
        layout
            .appending_to(before)
            .is_some_and(|(sequence, _)| sequence == 2)
    })
    .await;
    let unfinished = replica.dir().join("appendonlydir/temp-appendonly.aof.incr");
    std::fs::write(unfinished, "").unwrap();
    assert_eq!(layout.appending_to(before), None);
    let after = SystemTime::now() + Duration::from_secs(1);
    assert!(
        layout.appending_to(after).is_some(),
        "left behind by an earlier process"
    );
}
