//! The examples of `docs/clients.md` do what it says, each in its language, against a real group.
//!
//! A language whose tools are missing is passed over, loudly and in CI too: what is proven here are the examples, and they
//! need more than the servers that every other test needs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use testkit::{Exit, Group, Launch, Need, Process, RunningGroup, ZooKeeper, eventually, require};

const DEADLINE: Duration = Duration::from_secs(60);
/// A changed master is shown within this.
const CHANGE: Duration = Duration::from_secs(2);
/// A new session takes the clients a few of their retries.
const NEW_SESSION: Duration = Duration::from_secs(30);

const JARS: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-nop.jar";
const GO_SOURCES: &str = "/usr/share/gocode";
const GO_CLIENT: &str = "/usr/share/gocode/src/github.com/samuel/go-zookeeper/zk";

/// A program that is ready to run.
struct Example {
    language: &'static str,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Example {
    fn new(language: &'static str, program: impl Into<PathBuf>) -> Self {
        Self {
            language,
            program: program.into(),
            args: Vec::new(),
        }
    }

    fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    fn start(&self, dir: &Path, args: &[&str]) -> Process {
        let number = std::fs::read_dir(dir).map_or(0, Iterator::count);
        Process::spawn(Launch {
            name: format!("the {} example", self.language),
            program: self.program.clone(),
            args: self
                .args
                .iter()
                .cloned()
                .chain(args.iter().map(Into::into))
                .collect(),
            env: Vec::new(),
            dir: dir.to_owned(),
            log: dir.join(format!("{}-{number}.log", self.language)),
        })
    }

    /// Everything it prints until it ends by itself, which must be a success.
    async fn output(&self, dir: &Path, args: &[&str]) -> String {
        let process = self.start(dir, args);
        let exit = process.wait_exit(DEADLINE).await;
        let output = process.log();
        assert_eq!(exit, Exit::Code(0), "{} {args:?}: {output}", self.language);
        output
    }
}

fn rust() -> Example {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("a directory of a profile");
    let lookup = profile.join("examples/lookup");
    assert!(
        lookup.is_file(),
        "no {}; run `cargo build --workspace --all-targets` first",
        lookup.display()
    );
    Example::new("Rust", lookup)
}

/// The first Python that has these modules: Debian's packages are for Debian's Python, which need not be the first on PATH.
fn python(script: &str, import: &str, packages: &str) -> Option<Example> {
    let found = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(Command::new(python).args(["-c", import])));
    let Some(found) = found else {
        return passed_over("Python", packages);
    };
    let script = sources("python").join(script);
    // No byte code beside the sources.
    Some(Example::new("Python", found).arg("-B").arg(script))
}

fn java() -> Option<Example> {
    if !succeeds(Command::new("javac").arg("-version")) {
        return passed_over("Java", "default-jdk-headless");
    }
    if let Some(jar) = JARS.split(':').find(|jar| !Path::new(jar).exists()) {
        return passed_over("Java", &format!("libzookeeper-java libslf4j-java, for {jar}"));
    }
    let classes = built("java");
    run(Command::new("javac")
        .args(["-Xlint:all,-classfile,-path", "-cp", JARS, "-d"])
        .arg(&classes)
        .arg(sources("java").join("Lookup.java")));
    let path = format!("{}:{JARS}", classes.display());
    let java = Example::new("Java", "java")
        .arg("-XX:TieredStopAtLevel=1")
        .arg("-Xmx64m");
    Some(java.arg("-cp").arg(path).arg("Lookup"))
}

fn go() -> Option<Example> {
    if !succeeds(Command::new("go").arg("version")) {
        return passed_over("Go", "golang-go");
    }
    if !Path::new(GO_CLIENT).is_dir() {
        return passed_over("Go", "golang-github-samuel-go-zookeeper-dev");
    }
    let lookup = built("go").join("lookup");
    run(Command::new("go")
        .args(["build", "-o"])
        .arg(&lookup)
        .arg(sources("go").join("lookup.go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_SOURCES)
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", built("go-cache")));
    Some(Example::new("Go", lookup))
}

fn passed_over(language: &str, packages: &str) -> Option<Example> {
    eprintln!("SKIPPED, not tested: the {language} example; install Debian's {packages}");
    None
}

fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(language: &str) -> PathBuf {
    root().join("examples/clients").join(language)
}

/// Where the compilers put what they make.
fn built(what: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(what);
    std::fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("cannot make {}: {error}", dir.display()));
    dir
}

/// All that can run here, built once.
static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let python = python("lookup.py", "import kazoo", "python3-kazoo");
    let all = [Some(rust()), python, java(), go()];
    all.into_iter().flatten().collect()
});

/// What an example has found, without what its client library says on standard error.
fn found(process: &Process) -> Vec<String> {
    let words = ["master ", "no master yet", "sentinel "];
    process
        .log()
        .lines()
        .filter(|line| words.iter().any(|word| line.starts_with(word)))
        .map(str::to_owned)
        .collect()
}

async fn wait_found(followers: &[(&Example, Process)], lines: &[&str], deadline: Duration) {
    for (example, process) in followers {
        let what = format!("the {} example to show {:?}", example.language, lines.last());
        eventually(&what, deadline, async || {
            let found = found(process);
            if found == lines {
                Ok(())
            } else {
                Err(format!("{found:?}; its log ends:\n{}", process.log_tail()))
            }
        })
        .await;
    }
}

async fn connections(zk: &ZooKeeper) -> usize {
    let clients = zk.four_letters("cons").await.unwrap_or_default();
    clients.lines().filter(|line| line.contains("sid=")).count()
}

async fn two_nodes(zk: &ZooKeeper) -> RunningGroup {
    Group::new(&zk.hosts()).redis(2).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_finds_the_master_and_the_sentinels() {
    if !require(&[Need::ZooKeeper, Need::Redis]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = two_nodes(&zk).await;
    let master = group.redis(group.master().await).addr().clone();
    let client = zk.client();
    client
        .create_ephemeral("/redis/sentinels/1", "127.0.0.1 26379")
        .await;
    client
        .create_ephemeral("/redis/sentinels/2", "2001:db8::7 26380")
        .await;
    client.set("/other/redis/master", "2001:db8::1 6379").await;

    let dir = tempfile::tempdir().unwrap();
    for example in EXAMPLES.iter() {
        let language = example.language;
        assert_eq!(
            example.output(dir.path(), &[&zk.hosts()]).await,
            format!("master {master}\nsentinel 127.0.0.1:26379\nsentinel [2001:db8::7]:26380\n"),
            "{language}"
        );
        assert_eq!(
            example.output(dir.path(), &[&zk.hosts(), "/nothing/here"]).await,
            "no master yet\n",
            "{language}, a root that does not exist"
        );
        assert_eq!(
            example
                .output(dir.path(), &[&format!("{}/other", zk.hosts())])
                .await,
            "master [2001:db8::1]:6379\n",
            "{language}, a chroot"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_follows_the_master() {
    if !require(&[Need::ZooKeeper, Need::Redis]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let client = zk.client();
    let others = connections(&zk).await;
    let dir = tempfile::tempdir().unwrap();
    let hosts = zk.hosts();
    let followers: Vec<(&Example, Process)> = EXAMPLES
        .iter()
        .map(|example| {
            (
                example,
                example.start(dir.path(), &[&hosts, "/redis", "--follow"]),
            )
        })
        .collect();

    // Before anybody has made the znode.
    wait_found(&followers, &["no master yet"], DEADLINE).await;
    let group = two_nodes(&zk).await;
    let first = format!("master {}", group.redis(group.master().await).addr());
    let mut lines = vec!["no master yet", &first];
    wait_found(&followers, &lines, CHANGE).await;

    drop(group);
    client.set("/redis/master", "2001:db8::1 6379").await;
    lines.push("master [2001:db8::1]:6379");
    wait_found(&followers, &lines, CHANGE).await;
    client.set("/redis/master", "").await;
    lines.push("no master yet");
    wait_found(&followers, &lines, CHANGE).await;

    // What changes while a client has no session is seen in the next one.
    let with_all = connections(&zk).await;
    assert!(
        with_all >= others + followers.len(),
        "{with_all} connections, {others} before"
    );
    for (_, process) in &followers {
        process.stop();
    }
    eventually("the sessions to end", NEW_SESSION, async || {
        let left = connections(&zk).await;
        (left + followers.len() <= with_all)
            .then_some(())
            .ok_or(format!("{left} connections of {with_all}"))
    })
    .await;
    client.set("/redis/master", "10.0.0.2 6379").await;
    for (_, process) in &followers {
        process.cont();
    }
    lines.push("master 10.0.0.2:6379");
    wait_found(&followers, &lines, NEW_SESSION).await;

    zk.kill();
    zk.restart().await;
    client.set("/redis/master", "10.0.0.3 6379").await;
    lines.push("master 10.0.0.3:6379");
    wait_found(&followers, &lines, NEW_SESSION).await;
    client.set("/redis/master", "10.0.0.4 6379").await;
    lines.push("master 10.0.0.4:6379");
    // A session that outlived the server may still end now, and a new one takes longer than a change.
    wait_found(&followers, &lines, NEW_SESSION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_writes_through_the_sentinels_it_finds() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let packages = "python3-kazoo python3-redis";
    let Some(connect) = python("connect.py", "import kazoo, redis", packages) else {
        return;
    };
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(2).sentinels(2).start().await;
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        connect
            .output(dir.path(), &[&zk.hosts(), "/redis", group.name()])
            .await,
        "read hello\n"
    );
}

/// The code blocks of a page that say which file they are from: the file, and the block.
fn quotations(page: &str) -> Vec<(String, String)> {
    let text = read(page);
    text.split("<!-- from ")
        .skip(1)
        .map(|rest| {
            let (file, rest) = rest
                .split_once(" -->\n```")
                .expect("a file, and a code block after it");
            let (block, _) = rest.split_once("\n```\n").expect("the end of the code block");
            let (_, block) = block.split_once('\n').expect("a code block");
            (file.to_owned(), block.to_owned())
        })
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

#[test]
fn what_the_pages_quote_is_in_the_examples() {
    let quoted: Vec<_> = ["README.md", "docs/clients.md"]
        .into_iter()
        .flat_map(|page| quotations(page).into_iter().map(move |quoted| (page, quoted)))
        .collect();
    for (page, (file, block)) in &quoted {
        // A page does not indent what a file does.
        let at_any_depth = |depth: usize| {
            let indent = " ".repeat(depth);
            let lines = block.lines().map(|line| match line {
                "" => "\n".to_owned(),
                line => format!("{indent}{line}\n"),
            });
            lines.collect::<String>()
        };
        let text = read(file);
        assert!(
            (0..=8).any(|depth| text.contains(&at_any_depth(depth))),
            "{page} quotes what {file} does not say:\n{block}"
        );
    }
    let languages = [".rs", ".py", ".java", ".go"];
    for language in languages {
        assert!(
            quoted
                .iter()
                .any(|(page, (file, _))| *page == "README.md" && file.ends_with(language)),
            "README.md quotes no {language} file"
        );
    }
}
