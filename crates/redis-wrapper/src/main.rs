//! redis-wrapper: starts one redis-server in the right role and stays with it.

use std::process::ExitCode;

use program::Beginning;
use redis_wrapper::config::Config;
use redis_wrapper::own_paths::own_paths;
use redis_wrapper::run::run;

fn main() -> ExitCode {
    program::main(
        "redis-wrapper",
        |args, lookup| Config::read(args, lookup),
        |config| Beginning {
            log: &config.log,
            run_as: config.run_as.as_ref(),
            own_paths: own_paths(config),
        },
        run,
    )
}
