//! The acts in their order, and the way out of each.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use anyhow::{Context, anyhow};
use futures_util::FutureExt;

use super::End;
use super::facts::Facts;
use super::failover::Way;
use super::screen::Screen;
use super::servers::Servers;
use super::stop::Stop;
use super::{comeback, failover, leave_running, table};

pub(super) fn run(once: bool) -> End {
    // testkit fails by panicking; what it says is shown as an error instead.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let end = match runtime {
        Ok(runtime) => runtime.block_on(perform(once)),
        Err(error) => End::Failed(anyhow!(error).context("cannot start the runtime")),
    };
    panic::set_hook(hook);
    end
}

async fn perform(once: bool) -> End {
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return End::Failed(error),
    };
    let screen = Screen::new();
    let mut servers = Servers::default();
    let left_running = Cell::new(false);
    let play = AssertUnwindSafe(play(&screen, &mut servers, once, &left_running)).catch_unwind();
    let outcome = tokio::select! {
        biased;
        () = stop.asked() => None,
        outcome = play => Some(outcome.unwrap_or_else(|panic| Err(told(panic.as_ref())))),
    };
    screen.clear();
    let end = match outcome {
        None if left_running.get() => End::Shown(None),
        None => End::Interrupted,
        Some(Ok(facts)) => End::Shown(Some(Box::new(facts))),
        Some(Err(error)) => {
            screen.line(&servers.log_ends());
            End::Failed(error)
        }
    };
    servers.stop(&screen, &mut stop).await;
    end
}

async fn play(
    screen: &Screen,
    servers: &mut Servers,
    once: bool,
    left_running: &Cell<bool>,
) -> anyhow::Result<Facts> {
    screen.heading("ZooKeeper, then 3 Redis, 3 Sentinels and 2 watchers start, all at once");
    let started = servers
        .start(screen, None)
        .await
        .context("the group did not start")?;
    screen.line(&format!("\n{}", table::render(&started.view)));

    let failover = failover::show(screen, &started, &started.view, Way::Killed)
        .await
        .context("the failover went wrong")?;
    let (comeback, view) = comeback::show(screen, &started, &failover)
        .await
        .context("the old master's return went wrong")?;
    screen.line(&format!("\n{}", table::render(&view)));

    let handover = failover::show(screen, &started, &view, Way::Stopped)
        .await
        .context("the handover went wrong")?;
    let (_, view) = comeback::show(screen, &started, &handover)
        .await
        .context("the return of the one that was stopped went wrong")?;
    screen.line(&format!("\n{}", table::render(&view)));

    if !once {
        left_running.set(true);
        leave_running::show(screen, &started, &view).await;
    }
    let addr = |node: &super::view::SeenRedis| node.addr.clone();
    Ok(Facts {
        zookeeper: started.hosts,
        master_name: started.group.name().to_owned(),
        redis: view.redis.iter().map(addr).collect(),
        sentinels: view.sentinels.into_iter().map(|node| node.addr).collect(),
        watchers: view.watchers.into_iter().map(|node| node.addr).collect(),
        start: started.times,
        failover,
        comeback,
        handover,
    })
}

pub(super) fn told(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    anyhow!("{}", text.unwrap_or("a panic without words"))
}
