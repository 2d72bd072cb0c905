//! Tables of slots that somebody else has moved.

use super::*;
use crate::haproxy::runtime::decide::{To, decide};
use crate::haproxy::runtime::state::{Admin, Health};
use crate::picture::testing::group;

const READY: u32 = 0;
const MAINT: u32 = 1;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn state(addr: SocketAddr, admin: u32) -> State {
    let server = |backend: &str, name: &str, addr| Server {
        backend: backend.to_owned(),
        name: name.to_owned(),
        addr: Some(addr),
        admin: Admin(admin),
        health: Health::Up,
        check_port: 0,
    };
    State {
        servers: vec![server("w", "master", addr)],
        messages: Vec::new(),
    }
}

fn picture(epoch: u64, assurance: Assurance) -> Picture {
    let mut shown = group("sessions", epoch);
    shown.assurance = assurance;
    Picture {
        groups: [(shown.name.clone(), shown)].into(),
        awaited: Vec::new(),
    }
}

fn slots(port: u16) -> Vec<Slot> {
    let server = ServerName {
        backend: "w".to_owned(),
        server: "master".to_owned(),
    };
    vec![Slot {
        group: "sessions".parse().unwrap(),
        server,
        at: vec![at(port)],
    }]
}

/// What is done, and what is remarked, after `waited` since it was first seen.
fn looked(ours: &mut Ours, state: &State, picture: &Picture, port: u16, now: Instant) -> (Vec<To>, String) {
    let mut decision = decide(state, &slots(port), &[]);
    let left = ours.restrain(&mut decision, state, picture, now);
    assert_eq!(left.len(), decision.remarks.len());
    let steps = decision.steps.iter().map(|step| step.to).collect();
    (steps, decision.remarks.join("; "))
}

/// At epoch 5 the slot was right, at port 7.
fn ours() -> Ours {
    let mut ours = Ours::default();
    let right = state(at(7), READY);
    ours.remember(&right, &slots(7), &[], &picture(5, Assurance::Current), &[]);
    ours
}

#[test]
fn what_somebody_else_moved_is_left_for_a_while() {
    use Assurance::{Current, Doubtful};
    let placeholder: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let take = vec![To::Hold(at(7))];
    let nothing: Vec<To> = Vec::new();
    let after = "it is taken back if it is still so after 2 s";
    let certain = "it is left so until it is certain again";
    // What HAProxy has, what we show, and what is done at once, after 1.9 s and after 2 s; with what remark at first.
    for (found, admin, epoch, assurance, done, remark) in [
        (at(6), READY, 5, Current, [&nothing, &nothing, &take], after),
        (at(6), READY, 5, Doubtful, [&nothing, &nothing, &nothing], certain),
        // Nobody is there, whoever did it.
        (at(6), MAINT, 5, Current, [&take, &take, &take], ""),
        (at(6), MAINT, 5, Doubtful, [&take, &take, &take], ""),
        // HAProxy was started anew.
        (placeholder, READY, 5, Current, [&take, &take, &take], ""),
        (placeholder, READY, 5, Doubtful, [&take, &take, &take], ""),
        // A new epoch is no quarrel.
        (at(6), READY, 6, Current, [&take, &take, &take], ""),
        (at(6), READY, 6, Doubtful, [&take, &take, &take], ""),
    ] {
        let (mut ours, began) = (ours(), Instant::now());
        let (state, picture) = (state(found, admin), picture(epoch, assurance));
        for (waited, expected) in [0, 1900, 2000].into_iter().zip(done) {
            let now = began + Duration::from_millis(waited);
            let (steps, said) = looked(&mut ours, &state, &picture, 7, now);
            assert_eq!(steps, *expected, "{found} {admin} {epoch} {assurance:?} {waited}");
            if waited == 0 {
                assert!(said.ends_with(remark) || said.contains(remark), "{said}");
                assert_eq!(said.is_empty(), remark.is_empty(), "{said}");
            }
        }
    }
}

#[test]
fn the_wait_begins_anew_each_time() {
    let (mut ours, began) = (ours(), Instant::now());
    let shown = picture(5, Assurance::Current);
    let moved = state(at(6), READY);
    assert!(looked(&mut ours, &moved, &shown, 7, began).0.is_empty());
    // It is right again, and is seen so.
    let right = state(at(7), READY);
    ours.remember(&right, &slots(7), &[], &shown, &[]);
    let later = began + Duration::from_secs(60);
    assert!(looked(&mut ours, &moved, &shown, 7, later).0.is_empty());
    assert_eq!(looked(&mut ours, &moved, &shown, 7, later + RESPITE).0.len(), 1);
}

#[test]
fn our_own_change_of_mind_is_no_quarrel() {
    // The same epoch, another master: what was announced is recorded otherwise. The slot is as we left it.
    let steps = looked(
        &mut ours(),
        &state(at(7), READY),
        &picture(5, Assurance::Current),
        8,
        Instant::now(),
    );
    assert_eq!(steps.0, [To::Hold(at(8))]);
}

#[test]
fn what_is_left_is_not_taken_for_ours() {
    let mut ours = ours();
    let (shown, moved, now) = (
        picture(5, Assurance::Doubtful),
        state(at(6), READY),
        Instant::now(),
    );
    let mut decision = decide(&moved, &slots(7), &[]);
    let left = ours.restrain(&mut decision, &moved, &shown, now);
    ours.remember(&moved, &slots(7), &[], &shown, &left);
    assert!(looked(&mut ours, &moved, &shown, 7, now).0.is_empty());
    // Who never had it right has nothing to compare it with, and takes it.
    assert_eq!(looked(&mut Ours::default(), &moved, &shown, 7, now).0.len(), 1);
}
