//! The smallest program that supervises a child, for the tests of this crate; nobody installs it.
//!
//! A process of its own, since a test's process has other children, which the reaper would take.

#![expect(clippy::print_stdout, reason = "its lines are what the tests read")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use supervisor::{
    Below, Child, ChildCommand, ChildExit, Children, DeathSignal, Ending, Exit, Forks, Grace, LogFormat,
    Output, OwnPath, RunAs, Stop, Tasks, drop_privileges, logging, start_process,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            println!("error: {error}");
            Exit::Internal.into()
        }
    }
}

fn run() -> Result<Exit, Box<dyn std::error::Error>> {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    let args = args.iter().map(String::as_str).collect::<Vec<_>>();
    let format = if args == ["panic"] {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    logging::init(format, "info")?;
    if let ["run-as", who, dir, ..] = args.as_slice() {
        let path = Path::new(dir).to_owned();
        let below = Below::Everything;
        drop_privileges(&who.parse::<RunAs>()?, &[OwnPath { path, below }])?;
        std::fs::write(Path::new(dir).join("written"), "by the new user")?;
    }
    start_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match args.as_slice() {
            ["codes", count] => codes(count.parse()?).await,
            ["supervise", grace_ms, child @ ..] => supervise(grace_ms.parse()?, Gentle::No, child).await,
            ["gentle", grace_ms, how, child @ ..] => {
                let how = match *how {
                    "ends" => Gentle::Ends,
                    "terminates" => Gentle::Terminates,
                    _ => Gentle::Hangs,
                };
                supervise(grace_ms.parse()?, how, child).await
            }
            ["run-as", _, _, child @ ..] => supervise(5000, Gentle::No, child).await,
            ["in", dir, child @ ..] => {
                let wanted = ChildCommand {
                    dir: PathBuf::from(dir),
                    ..command(child)
                };
                Ok(Exit::Child(
                    Children::start()?.spawn(wanted).await?.exited().await,
                ))
            }
            ["locked", file, child @ ..] => locked(file, child).await,
            ["panic"] => Ok(panic_in_a_task().await),
            ["short-thread", child @ ..] => short_thread(child).await,
            _ => Ok(Exit::Configuration),
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gentle {
    No,
    Ends,
    Hangs,
    /// Tells the child to end by itself, and then hangs.
    Terminates,
}

async fn supervise(grace_ms: u64, gentle: Gentle, args: &[&str]) -> Result<Exit, Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?;
    let children = Children::start()?;
    let child = children.spawn(command(args)).await?;
    println!("child {}", child.pid());
    tokio::select! {
        exit = child.exited() => return Ok(Exit::Child(exit)),
        () = stop.asked() => {}
    }
    Ok(Exit::after_stop(
        stopped(&child, Duration::from_millis(grace_ms), gentle).await,
    ))
}

async fn stopped(child: &Child, whole: Duration, gentle: Gentle) -> ChildExit {
    if gentle == Gentle::No {
        return child.stop(whole).await;
    }
    let hook = async {
        println!("gentle");
        if gentle == Gentle::Terminates {
            child.terminate();
        }
        if gentle != Gentle::Ends {
            std::future::pending::<()>().await;
        }
    };
    child
        .stop_gently(
            Grace {
                whole,
                gentle: whole / 4,
            },
            hook,
        )
        .await
}

/// Many children at once, some of them forked from a runtime that is busy; every code must come back to its own waiter.
async fn codes(count: i32) -> Result<Exit, Box<dyn std::error::Error>> {
    let children = Children::start()?;
    let mut waiting = JoinSet::new();
    for number in 0..count {
        let children = children.clone();
        let code = (number * 37) % 256;
        waiting.spawn(async move {
            let child = children
                .spawn(command(&["exit", &code.to_string()]))
                .await
                .map_err(|error| error.to_string())?;
            let exit = child.exited().await;
            if exit == ChildExit::Code(code) {
                Ok(())
            } else {
                Err(format!("{exit} instead of {code}"))
            }
        });
    }
    let mut right = 0;
    while let Some(result) = waiting.join_next().await {
        match result? {
            Ok(()) => right += 1,
            Err(wrong) => println!("{wrong}"),
        }
    }
    println!("right {right}");
    Ok(Exit::Clean)
}

/// Starts a child from a thread that ends at once; the child must not notice.
async fn short_thread(args: &[&str]) -> Result<Exit, Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?;
    let (children, wanted) = (Children::start()?, command(args));
    let here = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || here.block_on(children.spawn(wanted)));
    let child = thread.join().map_err(|_| "the thread panicked")??;
    println!("child {} of a thread that has ended", child.pid());
    tokio::select! {
        exit = child.exited() => Ok(Exit::Child(exit)),
        () = stop.asked() => Ok(Exit::after_stop(child.stop(Duration::from_secs(5)).await)),
    }
}

/// What a program does whose task panics.
async fn panic_in_a_task() -> Exit {
    let tasks = Tasks::new(CancellationToken::new());
    tasks.spawn("broken", async { panic!("a bug") });
    tasks.stop().cancelled().await;
    match (tasks.shutdown(Duration::from_secs(5)).await, tasks.failure()) {
        (Ending::Complete, Some(_)) => Exit::Internal,
        (Ending::Complete | Ending::Unfinished(_), _) => Exit::Clean,
    }
}

/// Holds a lock on `file` together with its child.
async fn locked(file: &str, args: &[&str]) -> Result<Exit, Box<dyn std::error::Error>> {
    let lock = std::fs::File::create(file)?;
    lock.try_lock()?;
    let wanted = ChildCommand {
        inherits: vec![Arc::new(lock)],
        ..command(args)
    };
    let child = Children::start()?.spawn(wanted).await?;
    println!("child {}", child.pid());
    Ok(Exit::Child(child.exited().await))
}

/// `rude-child` with these arguments; with a `/` in the first one, that program.
fn command(args: &[&str]) -> ChildCommand {
    let own = std::env::current_exe().unwrap_or_default();
    let (program, args) = match args {
        [program, rest @ ..] if program.contains('/') => (PathBuf::from(program), rest),
        args => (own.with_file_name("rude-child"), args),
    };
    ChildCommand {
        program,
        args: args.iter().map(OsString::from).collect(),
        env_remove: vec!["SECRET".into()],
        env: vec![("GIVEN".into(), "by the parent".into())],
        dir: PathBuf::from("/"),
        on_parent_death: DeathSignal::Kill,
        inherits: Vec::new(),
        output: Output::Inherited,
        forks: Forks::EndWithIt,
    }
}
