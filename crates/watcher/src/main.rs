//! watcher: tells the outside world who is master.

use std::process::ExitCode;

use program::Beginning;
use watcher::config::Config;
use watcher::run::run;

fn main() -> ExitCode {
    program::main(
        "watcher",
        |args, lookup| Config::read(args, lookup),
        |config| Beginning {
            log: &config.log,
            run_as: None,
            own_paths: Vec::new(),
        },
        run,
    )
}
