//! sentinel-wrapper: starts one redis-sentinel that monitors the right master, and stays with it.

use std::path::PathBuf;
use std::process::ExitCode;

use program::Beginning;
use sentinel_wrapper::config::Config;
use sentinel_wrapper::private::Private;
use sentinel_wrapper::run;
use settings::Parsed;
use supervisor::{Below, OwnPath};

/// The settings, and the directory made from them.
struct Setup {
    config: Config,
    private: PathBuf,
}

fn main() -> ExitCode {
    let read = |args, lookup: fn(&str) -> _| match Config::read(args, lookup)? {
        Parsed::Run(config, notes) => {
            let private = Private::path(&config.data_dir, config.network.port);
            Ok(Parsed::Run(Setup { config, private }, notes))
        }
        Parsed::Show(text) => Ok(Parsed::Show(text)),
    };
    program::main("sentinel-wrapper", read, begins, |setup, process| {
        run::run(setup.config, process)
    })
}

/// Only the private directory is handed over to the user we become, so it must be there. Whatever fails is said by
/// [`run::run`], which takes it again.
fn begins(setup: &Setup) -> Beginning<'_> {
    let _ = Private::make(&setup.config.data_dir, setup.config.network.port);
    let config = &setup.config;
    Beginning {
        log: &config.log,
        run_as: config.run_as.as_ref(),
        own_paths: vec![OwnPath {
            path: setup.private.clone(),
            below: Below::Everything,
        }],
    }
}
