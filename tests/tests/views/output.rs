//! What `wait_interactive` prints where there is no terminal.

use std::process::Command;

/// The seconds of `… after    2 s`, whatever they are.
fn masked(text: &str) -> String {
    let mask = |line: &str| match line.split_once(" after ") {
        Some((before, after)) => {
            let rest = after.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before} after TIME{rest}")
        }
        None => line.to_owned(),
    };
    text.lines().map(mask).collect::<Vec<_>>().join("\n")
}

#[test]
fn progress_is_lines_and_failures_show() {
    let out =
        Command::new(env!("CARGO_BIN_EXE_scenarios")).arg("watch").output().expect("the program starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{stderr}");
    let expected = "\
500/500 tasks finished after TIME s
done
50/50 tasks finished after TIME s
done
5/5 elements finished after TIME s, 2 elements failed
done";
    assert_eq!(masked(&stdout), expected);
    for odd in [1, 3] {
        assert!(
            stderr.contains(&format!("element {odd} on engine")) && stderr.contains(&format!("{odd} is odd")),
            "{stderr}"
        );
    }
}

/// The seconds are right-aligned, as in the notebook.
#[test]
fn the_line_is_the_notebooks() {
    let out = super::program(&["watch"]);
    let first = out.lines().next().expect("a line");
    let seconds = first.strip_prefix("500/500 tasks finished after ").and_then(|s| s.strip_suffix(" s"));
    let seconds = seconds.unwrap_or_else(|| panic!("{first:?}"));
    assert!(seconds.len() == 4 && seconds.trim_start().parse::<u32>().is_ok(), "{first:?}");
}
