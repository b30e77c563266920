//! Where the programs under test are: in the folder that the test itself was built into.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The executable of this name, of the same build as the test: `target/debug` for `target/debug/deps/faults-0123`.
#[must_use]
pub fn find(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the system knows this executable's path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no `{name}` beside {}: run `cargo build --workspace --bins` first", own.display())
    })
}

/// `phalanx` with these arguments on a test cluster's profile: its exit code, what it printed, what it complained of.
#[must_use]
pub fn phalanx(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(find("phalanx"));
    command.args(arguments).env("PHALANX_HOME", home).env("PHALANX_PROFILE", "test");
    let output = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}
