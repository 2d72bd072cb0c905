//! Whatever kills a mover in the middle, the next one finishes or undoes.

use failover::{Checkpoint, Outcome, Warrant};

use crate::group::{Group, addr_of, servers};

#[tokio::test]
async fn killed_at_every_step_of_a_crash_failover() {
    if !servers() {
        return;
    }
    for point in [
        Checkpoint::Locked,
        Checkpoint::Elected,
        Checkpoint::Recorded,
        Checkpoint::Promoted,
        Checkpoint::Announced,
    ] {
        let group = Group::start(2, 3).await;
        let (first, second) = tokio::join!(group.party("first"), group.party("second"));
        let warrant = group.died(0);
        group.nodes[0].kill();
        first.dies_at(warrant, point).await;
        let before = group.state().await.epoch;
        let master = addr_of(&group, 0).clone();
        let outcome = second.run(Warrant::Refused { master }).await;
        println!("{point:?}: {outcome:?}");
        let unfinished = second.run(Warrant::Unfinished).await;
        println!("{point:?}: {unfinished:?}");
        let now = group.agreed().await;
        assert_ne!(now, 0, "{point:?}");
        assert!(group.state().await.epoch >= before, "{point:?}");
    }
}

#[tokio::test]
async fn killed_at_every_step_of_a_handover() {
    if !servers() {
        return;
    }
    for point in [
        Checkpoint::Elected,
        Checkpoint::Prepared,
        Checkpoint::Recorded,
        Checkpoint::Promoted,
        Checkpoint::Announced,
    ] {
        let group = Group::start(2, 3).await;
        let (first, second) = tokio::join!(group.party("first"), group.party("second"));
        let master = addr_of(&group, 0).clone();
        first.dies_at(Warrant::Handover { master }, point).await;
        if point == Checkpoint::Promoted {
            // The master's wrapper died, so its Redis did.
            group.nodes[0].kill();
        }
        let outcome = second.run(Warrant::Unfinished).await;
        println!("{point:?}: {outcome:?}");
        assert!(
            matches!(
                outcome,
                Outcome::Finished(_) | Outcome::Stopped(_) | Outcome::Moved(_)
            ),
            "{point:?}: {outcome:?}"
        );
        group.agreed().await;
    }
}
