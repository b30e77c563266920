//! Both views, every call: each scenario on threads of this process, and in a program of its own on worker processes.

mod clusters;
mod examples;
mod output;
mod status;

use std::process::Command;

/// Runs the scenarios' program and demands that all went well.
fn program(arguments: &[&str]) -> String {
    let out =
        Command::new(env!("CARGO_BIN_EXE_scenarios")).args(arguments).output().expect("the program starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{arguments:?} ended with {}\n{stdout}\n{stderr}", out.status);
    stdout.into_owned()
}

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        mod in_process {
            $(#[test]
            fn $name() {
                let client = phalanx::Client::in_process(phalanx_tests::scenarios::ENGINES).unwrap();
                phalanx_tests::scenarios::$module::$name(&client);
            })*
        }
        mod local {
            $(#[test]
            fn $name() {
                super::program(&["local", concat!(stringify!($module), "::", stringify!($name))]);
            })*
        }
    };
}

phalanx_tests::each_scenario!(tests);

/// All scenarios after each other in one client, on one cluster: none leaves anything that disturbs the next.
#[test]
fn one_client_can_do_all_of_it() {
    let names: Vec<&str> = phalanx_tests::scenarios::ALL
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| {
            !name.contains("namespaces") && !name.contains("one_engine") && !name.contains("many_tiny")
        })
        .collect();
    let mut arguments = vec!["local"];
    arguments.extend(&names);
    assert_eq!(program(&arguments).lines().collect::<Vec<_>>(), names);
}
