//! A closure that captures cannot travel: the compiler says so, and what to do instead.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of the build that this test belongs to, kept from run to run: the dependencies are built there once.
fn build_folder() -> PathBuf {
    let own = std::env::current_exe().expect("the system knows this executable's path");
    own.ancestors().nth(3).expect("target/PROFILE/deps").join("compile-fail")
}

/// Builds a program, which must not come out, and gives what the compiler said. It is built, not checked: the assertion
/// fails when the function is instantiated.
fn compile(name: &str, main: &str) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let folder = build_folder().join("source").join(name);
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nphalanx = {{ path = {:?}, default-features = false }}\n\n[workspace]\n",
        root.join("client")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.rs"), main).unwrap();
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let out = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--offline", "--color", "never", "--target-dir"])
        .arg(build_folder())
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .current_dir(&folder)
        .output()
        .expect("cargo starts");
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn program(body: &str) -> String {
    format!(
        "fn main() -> phalanx::Result<()> {{\n    phalanx::init();\n    let client = phalanx::Client::in_process(2)?;\n    {body}\n    Ok(())\n}}\n"
    )
}

/// Every way to give a function, in one build after the other; and one without captures that does compile.
#[test]
fn a_capture_is_refused_with_the_way_out() {
    let captures = [
        (
            "map",
            "let k = 3; client.load_balanced_view().map_sync(move |x: i32| k * x, 0..3, phalanx::Auto)?;",
        ),
        ("direct", "let k = 3; client.direct_view(..).map_sync(move |x: i32| k * x, 0..3)?;"),
        ("apply", "let k = 3; client.direct_view(..).apply(move |x: i32| k * x, (1,)).get()?;"),
        ("execute", "let k = 3; client.direct_view(..).execute(move |_| k).get()?;"),
        (
            "pointer",
            "let f: fn(i32) -> i32 = |x| x; client.load_balanced_view().map_sync(f, 0..3, phalanx::Auto)?;",
        ),
    ];
    for (name, body) in captures {
        let (built, said) = compile(name, &program(body));
        assert!(!built, "{name} was built");
        assert!(
            said.contains("closures that capture nothing") && said.contains("view.with("),
            "{name}: {said}"
        );
    }
    let with = "client.load_balanced_view().with(3).map_sync(|k: &i32, x: i32| k * x, 0..3, phalanx::Auto)?;";
    let (built, said) = compile("with", &program(with));
    assert!(built, "{said}");
}
