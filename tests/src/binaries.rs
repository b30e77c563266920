//! Where the programs under test are: in the folder that the test itself was built into.

use std::path::PathBuf;

/// The executable of this name, of the same build as the test: `target/debug` for `target/debug/deps/faults-0123`.
#[must_use]
pub fn find(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the system knows this executable's path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no `{name}` beside {}: run `cargo build --workspace --bins` first", own.display())
    })
}
