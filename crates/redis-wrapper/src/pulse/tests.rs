//! The table of remedies.

use super::*;

fn silence(lasting: u64) -> Silence {
    Silence {
        lasting: Duration::from_millis(lasting),
        kind: Kind::Silent,
        part: Part::ReplaceableMaster,
        process: Process::Alive,
        patience: Duration::from_secs(2),
        script: Script::Untouched,
    }
}

#[test]
fn what_is_done_about_a_silence() {
    let stopped = |lasting| Silence {
        process: Process::Stopped,
        ..silence(lasting)
    };
    let busy = |lasting, script| Silence {
        kind: Kind::Busy,
        script,
        ..silence(lasting)
    };
    let table = [
        ("a moment", silence(300), Remedy::Wait(WhyWait::Patience)),
        (
            "as long as sentinels wait",
            silence(2_000),
            Remedy::Kill(WhyKill::Hung),
        ),
        (
            "stopped for a moment",
            stopped(900),
            Remedy::Wait(WhyWait::Patience),
        ),
        ("stopped", stopped(1_000), Remedy::Kill(WhyKill::Stopped)),
        (
            "busy for a moment",
            busy(1_000, Script::Untouched),
            Remedy::Wait(WhyWait::Patience),
        ),
        ("busy", busy(2_000, Script::Untouched), Remedy::KillScript),
        (
            "busy for good",
            busy(2_000, Script::Asked),
            Remedy::Kill(WhyKill::UnkillableScript),
        ),
    ];
    for (name, silence, expected) in table {
        assert_eq!(remedy(&silence), expected, "{name}");
    }
}

#[test]
fn loading_and_irreplaceable_nodes_are_never_ended() {
    for kind in [Kind::Silent, Kind::Busy, Kind::Loading] {
        for process in [Process::Alive, Process::Stopped] {
            let alone = Silence {
                kind,
                process,
                part: Part::Irreplaceable,
                ..silence(3_600_000)
            };
            assert!(matches!(remedy(&alone), Remedy::Wait(_)), "{alone:?}");
            let loading = Silence {
                kind: Kind::Loading,
                process,
                ..silence(3_600_000)
            };
            assert_eq!(remedy(&loading), Remedy::Wait(WhyWait::Loading));
        }
    }
}
