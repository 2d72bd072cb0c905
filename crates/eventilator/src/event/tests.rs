//! Samples of every form, and arbitrary words.

use proptest::prelude::*;

use super::*;

/// As captured from Redis 7.0 (and, for the last ones, as its source writes them).
const SAMPLES: &[(&str, &str)] = &[
    ("+monitor", "master m1 127.0.0.1 20202 quorum 2"),
    ("-monitor", "master m1 127.0.0.1 20202"),
    ("+reset-master", "master m1 127.0.0.1 20202"),
    ("+set", "master m1 127.0.0.1 20202 down-after-milliseconds 1000"),
    ("+set", "master m1 127.0.0.1 20202 rename-command CONFIG GUESSME"),
    ("+set", "master m1 127.0.0.1 20202 auth-pass"),
    ("+sdown", "master m1 127.0.0.1 20001"),
    (
        "+sdown",
        "slave 127.0.0.1:20982 127.0.0.1 20982 @ m1 127.0.0.1 20981",
    ),
    (
        "-sdown",
        "sentinel 3348dd0c2a78bd87cfd9769f884dae42d2f434c2 127.0.0.1 26379 @ m1 127.0.0.1 20981",
    ),
    ("+odown", "master m1 127.0.0.1 20861 #quorum 2/2"),
    ("-odown", "master m1 127.0.0.1 20861"),
    ("+try-failover", "master m1 127.0.0.1 20861"),
    ("+elected-leader", "master m1 127.0.0.1 20861"),
    ("+failover-state-select-slave", "master m1 127.0.0.1 20861"),
    ("+failover-state-reconf-slaves", "master m1 127.0.0.1 20861"),
    ("+failover-end", "master m1 127.0.0.1 20861"),
    ("+failover-end-for-timeout", "master m1 127.0.0.1 20861"),
    ("-failover-abort-not-elected", "master m1 127.0.0.1 20861"),
    ("-failover-abort-no-good-slave", "master m1 127.0.0.1 20861"),
    ("-failover-abort-slave-timeout", "master m1 127.0.0.1 20861"),
    (
        "+selected-slave",
        "slave 127.0.0.1:20862 127.0.0.1 20862 @ m1 127.0.0.1 20861",
    ),
    ("+promoted-slave", "slave ::1:20862 ::1 20862 @ m1 ::1 20861"),
    (
        "+config-update-from",
        "sentinel 3348dd0c2a78bd87cfd9769f884dae42d2f434c2 127.0.0.1 26380 @ m1 127.0.0.1 20861",
    ),
    (
        "+slave",
        "slave 127.0.0.1:20862 127.0.0.1 20862 @ m1 127.0.0.1 20861",
    ),
    (
        "+convert-to-slave",
        "slave 127.0.0.1:20862 127.0.0.1 20862 @ m1 127.0.0.1 20861",
    ),
];

#[test]
fn every_sample_of_an_instance_is_read() {
    for (event, text) in SAMPLES {
        let notice = Notice::read(event, text);
        let Content::Instance(instance) = &notice.content else {
            panic!("{event} {text}: {notice:?}")
        };
        assert_eq!(notice.pod(), Some("m1"), "{event}");
        let kind = text.split(' ').next().unwrap();
        assert_eq!(instance.kind.word(), kind);
        assert_eq!(
            instance.kind == Kind::Master,
            instance.addr == instance.master,
            "{event}"
        );
    }
}

#[test]
fn what_else_is_said_is_kept_whole() {
    let of = |event, text| {
        let Content::Instance(instance) = Notice::read(event, text).content else {
            panic!("{event} {text}")
        };
        instance
    };
    assert_eq!(
        of("+odown", "master m1 10.0.0.1 6379 #quorum 2/3").votes,
        Some(Votes { given: 2, quorum: 3 })
    );
    assert_eq!(
        of("+set", "master m1 10.0.0.1 6379 rename-command A B").rest,
        ["rename-command", "A", "B"]
    );
    assert_eq!(
        of("+set", "master m1 10.0.0.1 6379 auth-pass").rest,
        ["auth-pass"]
    );
    assert_eq!(of("+odown", "master m1 10.0.0.1 6379 #quorum").votes, None);
}

#[test]
fn the_other_forms() {
    let content = |event, text| Notice::read(event, text).content;
    assert_eq!(content("+new-epoch", "12"), Content::Epoch(12));
    assert_eq!(
        content("+vote-for-leader", "3348dd 7"),
        Content::Vote {
            leader: "3348dd".to_owned(),
            epoch: 7
        }
    );
    let Content::Switch(switch) = content("+switch-master", "m%1 redis-0.example 6379 ::1 6380") else {
        panic!("no switch")
    };
    assert_eq!(
        (
            switch.pod.as_str(),
            switch.from.to_string(),
            switch.to.to_string()
        ),
        ("m%1", "redis-0.example:6379".to_owned(), "[::1]:6380".to_owned())
    );
}

#[test]
fn what_is_too_short_or_unknown_is_passed_on_as_it_came() {
    for (event, text) in [
        ("+switch-master", "m1 127.0.0.1"),
        ("+switch-master", "m1 a 0 b 99999"),
        ("+odown", "master m1"),
        ("+sdown", "slave 127.0.0.1:1 127.0.0.1 1"),
        ("+sdown", "slave 127.0.0.1:1 127.0.0.1 1 @ m1 x"),
        ("+new-epoch", "many"),
        ("+vote-for-leader", "3348dd"),
        ("+tilt", "#tilt mode entered"),
        ("+from-the-future", "{\"a\":1}"),
        ("", ""),
    ] {
        let notice = Notice::read(event, text);
        assert_eq!(
            (notice.content, notice.event.as_str(), notice.text.as_str()),
            (Content::Text, event, text)
        );
    }
}

proptest! {
    #[test]
    fn never_panics(event in "\\PC*", text in "\\PC*") {
        let _ = Notice::read(&event, &text);
    }

    /// Words of the grammar in any order: what is read is what was said.
    #[test]
    fn arbitrary_words_never_panic(
        event in proptest::sample::select(vec!["+sdown", "+odown", "+switch-master", "+set", "+vote-for-leader", "+new-epoch", "+x"]),
        words in proptest::collection::vec("master|slave|sentinel|@|#quorum|1/2|m1|127.0.0.1|6379|99999999999|-1|%s|é", 0..10),
    ) {
        let text = words.join(" ");
        let notice = Notice::read(event, &text);
        prop_assert_eq!(notice.text, text);
    }
}
