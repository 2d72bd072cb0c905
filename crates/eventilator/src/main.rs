//! eventilator, reconfigurator, registrator, sentinel-scriptify: one program, by the name it is called under.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eventilator::mode::{Asked, asked};
use eventilator::{call, scriptify, verbs};

fn main() -> ExitCode {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let env = |name: &str| std::env::var_os(name)?.into_string().ok();
    match asked(&name, words.collect()) {
        Asked::Call(mode, arguments) => {
            // Under its own name the program may have been replaced meanwhile; the running one is still there.
            let program = PathBuf::from("/proc/self/exe");
            ExitCode::from(call::call(mode, arguments, &program, &env).code())
        }
        Asked::Verb(mode, arguments) => ExitCode::from(verbs::run(&name, mode, arguments, &env)),
        Asked::Scriptify(arguments) => ExitCode::from(scriptify::run(arguments, &env)),
        Asked::Unknown(problem) => {
            verbs::complain(&problem);
            ExitCode::from(call::Verdict::Never.code())
        }
    }
}
