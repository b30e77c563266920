//! A program whose `main` does not begin with `phalanx::init()`, and what it does instead when engines start it as their worker: this depends
//! on the name of its file. As a user's program, `forgets_init PROFILE` makes one call and prints how it failed.

use phalanx::Client;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(profile) = arguments.get(1) else { return as_worker(&arguments[0]) };
    let client = Client::connect(profile).unwrap_or_else(|e| panic!("{e}"));
    let error = client.direct_view(0).apply(|| 1, ()).get().expect_err("no engine can run this program");
    println!("{error}");
}

fn as_worker(name: &str) {
    if name.starts_with("connects") {
        let error = Client::connect("test").expect_err("a worker must not reach for a cluster");
        println!("{error}");
    } else if name.starts_with("starts-a-cluster") {
        let error = Client::local(2).expect_err("a worker must not start a cluster of its own");
        println!("{error}");
    } else if name.starts_with("loops") {
        loop {
            std::thread::park();
        }
    } else {
        assert!(name.starts_with("exits"), "no such behaviour: {name}");
        eprintln!("nothing to do");
    }
}
