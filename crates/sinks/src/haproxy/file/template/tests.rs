//! What Go's `text/template` makes of the same templates, what is wrong with others, and anything at all.

use std::collections::BTreeMap;
use std::time::Instant;

use proptest::prelude::*;
use topology::{Addr, Epoch};

use super::*;
use crate::picture::{Assurance, Fitness, Master, Replica};

fn group(name: &str, host: &str, port: u16, external: Option<u16>, replicas: &[(&str, Fitness)]) -> Group {
    let replica = |(host, fitness): &(&str, Fitness)| {
        let addr = Addr::new(host, 6379).unwrap();
        (
            addr.clone(),
            Replica {
                addr,
                fitness: *fitness,
            },
        )
    };
    Group {
        name: name.parse().unwrap(),
        external_port: external,
        assurance: Assurance::Current,
        master: Master {
            addr: Addr::new(host, port).unwrap(),
            epoch: Epoch(5),
            run_id: None,
            cause: "failover".to_owned(),
            since_ms: 0,
            origin: crate::picture::Origin::Recorded,
            seen: Instant::now(),
        },
        replicas: replicas.iter().map(replica).collect(),
    }
}

fn picture() -> Picture {
    let lagging = [
        ("10.0.0.4", Fitness::Fit),
        ("10.0.0.5", Fitness::Lagging),
        ("10.0.0.6", Fitness::Fit),
    ];
    let groups = [
        group("b", "10.0.0.2", 6380, None, &lagging),
        group("a", "10.0.0.1", 6379, Some(7000), &[]),
    ];
    let groups: BTreeMap<_, _> = groups
        .into_iter()
        .map(|group| (group.name.clone(), group))
        .collect();
    Picture {
        groups,
        awaited: Vec::new(),
    }
}

#[test]
fn templates_render_as_with_go() {
    for (template, expected) in [
        ("plain }} { {", "plain }} { {"),
        (
            "{{range .Clusters}}[{{.Name}} {{.Ip}}:{{.Port}} {{.ExternalPort}} {{.Epoch}}]{{end}}",
            "[a 10.0.0.1:6379 7000 5][b 10.0.0.2:6380 0 5]",
        ),
        (
            "{{range $i, $c := .Clusters}}{{if $i}}, {{end}}{{$i}}={{$c.Name}}{{end}}",
            "0=a, 1=b",
        ),
        (
            "{{range $c := .Clusters}}{{$c.Name}}{{len $.Clusters}},{{end}}",
            "a2,b2,",
        ),
        (
            "{{range .Clusters}}{{range .Replicas}}{{.Name}} {{.Index}} {{.Ip}}:{{.Port}};{{else}}none;{{end}}{{end}}",
            "none;b_1 1 10.0.0.4:6379;b_2 2 10.0.0.6:6379;",
        ),
        (
            "{{range .Clusters}}{{if .ExternalPort}}{{.ExternalPort}}{{else}}unset{{end}},{{end}}",
            "7000,unset,",
        ),
        (
            "{{range .Clusters}}{{if eq .Name \"a\"}}1{{else if eq .Name \"b\" \"c\"}}2{{else}}3{{end}}{{end}}",
            "12",
        ),
        (
            "{{range .Clusters}}{{if and .ExternalPort (not .Replicas)}}y{{end}}{{if or .ExternalPort .Replicas}}z{{end}}{{end}}",
            "yzz",
        ),
        (
            "{{with index .Clusters 0}}{{.Name}}{{end}}{{(index .Clusters 1).Name}}",
            "ab",
        ),
        (
            "{{with $x := index .Clusters 1}}{{with .Replicas}}{{len .}}{{end}}{{$x.Port}}{{end}}",
            "26380",
        ),
        ("{{/* a\ncomment */}}a  {{- /* and one */ -}}  b", "ab"),
        ("a {{- 3 -}}\n\n b {{ 4 -}}  c", "a3b 4c"),
        (
            "{{range .Clusters -}}\n  x {{.Name}}\n{{end -}}\n done",
            "x a\nx b\ndone",
        ),
        (
            "{{$n := 0}}{{range .Clusters}}{{$n = .Port}}{{end}}{{$n}}",
            "6380",
        ),
        (
            "{{printf \"%s_%d %05d|%-4s|%4s|%q|%v|%x|%%\" \"n\" 3 42 \"ab\" \"ab\" \"q\" 7 255}}",
            "n_3 00042|ab  |  ab|\"q\"|7|ff|%",
        ),
        (
            "{{\"b\" | printf \"%s-%s\" \"a\"}} {{len .Clusters | printf \"%d of %d\" 1}}",
            "a-b 1 of 2",
        ),
        (
            "{{gt 3 2}} {{lt 3 2}} {{ne 3 3}} {{le 3 3}} {{ge 3 3}} {{eq \"a\" \"a\"}}",
            "true false false true true true",
        ),
        (
            "{{define \"s\"}}<{{.Name}}>{{end}}{{range .Clusters}}{{template \"s\" .}}{{end}}",
            "<a><b>",
        ),
        (
            "{{range .Clusters}}{{if eq .Name \"a\"}}{{continue}}{{end}}{{.Name}}{{end}}{{range .Clusters}}{{.Name}}{{break}}{{end}}",
            "ba",
        ),
        (
            "{{`raw`}} {{\"a\\tb\"}} {{\"}}\"}} {{print 1 2 \"x\"}}",
            "raw a\tb }} 1 2x",
        ),
    ] {
        assert_eq!(
            render(template, &picture()).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (template, line, what) in [
        ("a\n{{range .Clusters}}\n{{.Nope}}{{end}}", 3, "no field `Nope`"),
        ("a\nb\n{{if}}x{{end}}", 3, "missing value for if"),
        ("a\n{{range .Clusters}}\nb", 3, "unexpected EOF"),
        ("{{end}}", 1, "unexpected {{end}}"),
        ("\n{{nofunc .Clusters}}", 2, "nofunc not defined"),
        ("\n\n{{index .Clusters 9}}", 3, "unable to get 9"),
        (
            "{{define \"x\"}}{{template \"x\"}}{{end}}\n{{template \"x\"}}",
            1,
            "nesting depth",
        ),
        ("\n{{range 1000000000}}x{{end}}", 2, "iterations"),
        (
            "\n{{((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))}}",
            2,
            "parentheses",
        ),
    ] {
        let wrong = render(template, &picture()).unwrap_err();
        assert_eq!(wrong.line, Some(line), "{wrong:?}");
        assert!(wrong.what.contains(what), "{wrong:?}");
    }
    let file = Path::new("/etc/haproxy/t");
    assert_eq!(Wrong::at(3, "x").in_file(file), "/etc/haproxy/t, line 3: x");
    assert_eq!(Wrong::somewhere("x").in_file(file), "/etc/haproxy/t: x");
}

#[test]
fn what_is_refused_is_refused_and_what_is_not_is_survived() {
    let deep = |count: usize| format!("{{{{{}1{}}}}}", "(".repeat(count), ")".repeat(count));
    let elses = |count: usize| format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(count));
    let ifs = |count: usize| format!("{}{}", "{{if 1}}".repeat(count), "{{end}}".repeat(count));
    assert_eq!(render(&deep(MOST_PARENTHESES), &picture()).as_deref(), Ok("1"));
    assert!(render(&deep(100_000), &picture()).is_err());
    assert_eq!(render(&elses(90), &picture()).as_deref(), Ok(""));
    assert!(render(&elses(MOST_ELSES), &picture()).is_err());
    assert!(render(&elses(20_000), &picture()).is_err());
    assert!(render(&ifs(10_000), &picture()).is_err());
    assert!(render(&"x".repeat(LONGEST + 1), &picture()).is_err());
    let doubling = "{{$x := \"aaaaaaaaaa\"}}{{range 40}}{{$x = print $x $x}}{{end}}";
    assert!(render(doubling, &picture()).is_err());
    let large = "{{range 9999}}{{range 1000}}0123456789{{end}}{{end}}";
    assert!(
        render(large, &picture())
            .unwrap_err()
            .what
            .contains("bytes allowed")
    );
    // Parentheses of HAProxy's own configuration are none of ours, nor are those in quotes.
    let acl = "acl a hdr(host) -m reg (a|(b\n".repeat(20);
    assert_eq!(render(&acl, &picture()).as_deref(), Ok(acl.as_str()));
    let quoted = format!(
        "{{{{print \"{}\" `{}`}}}}",
        "(\\\"".repeat(100),
        "((}}".repeat(40)
    );
    assert!(render(&quoted, &picture()).is_ok());
    let hidden = format!("{{{{print \"}}}}\" {}1{}}}}}", "(".repeat(1000), ")".repeat(1000));
    assert!(render(&hidden, &picture()).is_err());
    assert!(render(&format!("{{{{- /* it's */ -}}}}{}", deep(20_000)), &picture()).is_err());
}

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "range",
    "if",
    "else",
    "with",
    "end",
    "define",
    "template",
    "block",
    "break",
    "continue",
    " ",
    "\n",
    ".Clusters",
    ".Name",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    ",",
    "\"a\"",
    "`b`",
    "'c'",
    "1",
    "-2",
    "0x",
    "1e9",
    "1.5",
    "nil",
    "true",
    "printf",
    "\"%d\"",
    "\"%*d\"",
    "\"%[3]v\"",
    "index",
    "slice",
    "len",
    "eq",
    "and",
    "or",
    "not",
    "print",
    "html",
    "js",
    "call",
    "/*",
    "*/",
    "ä",
    "\\",
    "\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_template_is_too_strange(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), noise in ".{0,12}") {
        let template = format!("{{{{{}{noise}", words.concat());
        if let Err(wrong) = render(&template, &picture()) {
            prop_assert!(!wrong.what.contains("cannot cope"), "{:?}", template);
        }
    }
}
