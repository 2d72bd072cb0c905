//! Both spellings are read and written; nonsense is refused and never panics.

use proptest::prelude::*;

use super::*;

#[test]
fn both_forms_round_trip() {
    for (text, colon, contract) in [
        ("10.0.0.7:6379", "10.0.0.7:6379", "10.0.0.7 6379"),
        ("[::1]:26379", "[::1]:26379", "::1 26379"),
        ("[2001:DB8:0:0::5]:1", "[2001:db8::5]:1", "2001:db8::5 1"),
        (
            "Redis-1.Example:6379",
            "redis-1.example:6379",
            "redis-1.example 6379",
        ),
    ] {
        let addr: Addr = text.parse().unwrap();
        assert_eq!(addr.to_string(), colon);
        assert_eq!(addr.contract(), contract);
        assert_eq!(Addr::from_contract(contract).unwrap(), addr);
        assert_eq!(
            serde_json::from_str::<Addr>(&serde_json::to_string(&addr).unwrap()).unwrap(),
            addr
        );
    }
}

#[test]
fn nonsense_is_refused() {
    for text in [
        "",
        "nope",
        "a:b",
        ":6379",
        "1.2.3.4:0",
        "1.2.3.4:70000",
        "::1:6379",
        "a b:1",
        "\u{fffd}:1",
    ] {
        assert!(text.parse::<Addr>().is_err(), "{text:?}");
    }
    for text in ["", "1.2.3.4", "1.2.3.4 6379 x", " 6379", "1.2.3.4 x"] {
        assert!(Addr::from_contract(text).is_err(), "{text:?}");
    }
    assert!(
        Addr::from_contract("1.2.3.4 6379\n").is_ok(),
        "old writers left a newline"
    );
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*") {
        let _ = text.parse::<Addr>();
        let _ = Addr::from_contract(&text);
    }
}
