//! `deploy/start-engines` against a real sshd on loopback, with the real daemons, over TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, Running, eventually, outcome, program};
use serde_json::Value;

/// A cluster whose controller runs, and an sshd that leads back to this machine.
struct Site {
    cluster: Cluster,
    _controller: Running,
    sshd: Sshd,
    /// engine.json without the Unix socket, as if the hosts were other machines: the engines must come over TLS.
    connection: PathBuf,
}

struct Sshd {
    _process: Running,
    port: u16,
    dir: PathBuf,
}

impl Sshd {
    fn start(cluster: &Cluster) -> Sshd {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].map(Path::new).into_iter().find(|p| p.is_file());
        let sshd = sshd.expect(
            "sshd is missing: this test logs in to this machine over ssh; install it with: make setup",
        );
        let dir = cluster.scratch().join("ssh");
        fs::create_dir(&dir).unwrap();
        for key in ["host_key", "user_key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(key));
            assert!(keygen.status().expect("ssh-keygen is missing; install it with: make setup").success());
        }
        if rustix::process::geteuid().is_root() {
            // Root's sshd insists on it; a package's start script would have made it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {dir}/host_key\nAuthorizedKeysFile {dir}/user_key.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             MaxStartups 100\nSetEnv PHALANX_HOME={home} HOME={dir}\n",
            dir = dir.display(),
            home = cluster.home().display(),
        );
        fs::write(dir.join("sshd_config"), config).unwrap();
        let log = fs::File::create(dir.join("sshd.log")).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config")).stdin(Stdio::null()).stderr(log);
        let mut process = Running(command.spawn().unwrap());
        eventually("sshd listens", || {
            let ended = process.0.try_wait().unwrap();
            let log = || fs::read_to_string(dir.join("sshd.log")).unwrap();
            assert!(ended.is_none(), "sshd has ended ({ended:?}): {}", log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Sshd { _process: process, port, dir }
    }
}

impl Site {
    fn new() -> Site {
        let cluster = Cluster::new();
        let sshd = Sshd::start(&cluster);
        let mut controller = cluster.command(program("controller"));
        let controller = controller.args(["--profile", "remote", "--log", "error"]).stdout(Stdio::piped());
        let mut controller = Running(controller.spawn().unwrap());
        let mut ready = String::new();
        BufReader::new(controller.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("controller ready"), "{ready}");

        let copied = fs::read_to_string(cluster.home().join("remote/engine.json")).unwrap();
        let mut file: Value = serde_json::from_str(&copied).unwrap();
        file["endpoints"]["socket"] = Value::Null;
        let connection = cluster.scratch().join("it's the engine's.json");
        fs::write(&connection, serde_json::to_string_pretty(&file).unwrap()).unwrap();
        fs::set_permissions(&connection, fs::Permissions::from_mode(0o600)).unwrap();
        Site { cluster, _controller: controller, sshd, connection }
    }

    /// The directory of the hosts, in which each has one of its own.
    fn directory(&self) -> PathBuf {
        self.cluster.scratch().join("the hosts' home")
    }

    fn host_dir(&self, host: &str) -> PathBuf {
        let cluster = fs::read_dir(self.directory()).unwrap().next().unwrap().unwrap();
        cluster.path().join(host)
    }

    /// Has the hosts greet everybody who logs in, on both streams, as start-up files of shells do.
    fn hosts_say(&self, greeting: &str) {
        fs::write(self.greeting(), greeting).unwrap();
    }

    fn greeting(&self) -> PathBuf {
        self.cluster.scratch().join("greeting")
    }

    /// Runs the script through an `ssh` that notes down its arguments and passes on the greeting.
    fn start_engines(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let bin = self.cluster.scratch().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let shim = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}'\n\
             [ ! -f '{greeting}' ] || {{ cat '{greeting}'; cat '{greeting}' >&2; }}\n\
             exec /usr/bin/ssh \"$@\"\n",
            self.noted().display(),
            greeting = self.greeting().display(),
        );
        fs::write(bin.join("ssh"), shim).unwrap();
        fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/start-engines");
        let mut command = self.cluster.command(script);
        command
            .env("PATH", path)
            .arg("--directory")
            .arg(self.directory())
            .arg("--connection")
            .arg(&self.connection);
        for option in [
            format!("Port={}", self.sshd.port),
            format!("IdentityFile={}/user_key", self.sshd.dir.display()),
            "IdentityAgent=none".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            "LogLevel=ERROR".to_owned(),
        ] {
            command.args(["--ssh-option", &option]);
        }
        outcome(command.args(arguments).output().unwrap())
    }

    fn noted(&self) -> PathBuf {
        self.cluster.scratch().join("ssh-arguments")
    }

    fn engines(&self) -> Vec<Value> {
        let (code, out, err) = self.cluster.phalanx(&["status", "--profile", "remote", "--json"]);
        assert_eq!(code, Some(0), "{err}");
        let status: Value = serde_json::from_str(&out).unwrap();
        status["engines"].as_array().unwrap().clone()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn engines_are_started_looked_at_and_stopped_over_ssh() {
    let site = Site::new();
    let engine = program("engine").display().to_string();
    let start = ["--engine", &engine, "-n", "2", "127.0.0.1", "localhost"];
    let (code, out, err) = site.start_engines(&start);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(err.contains("loopback only") && err.lines().count() == 1, "{err}");

    let engines = site.engines();
    assert_eq!(engines.len(), 4);
    for (host, line) in ["127.0.0.1", "localhost"].iter().zip(out.lines()) {
        let pid: u32 = line.strip_prefix(&format!("{host}: started, process ")).unwrap().parse().unwrap();
        assert_eq!(engines.iter().filter(|e| e["node_pid"] == pid).count(), 2, "{engines:?}");
        let dir = site.host_dir(host);
        assert_eq!(
            (mode(&dir), mode(&dir.join("engine.json")), mode(&dir.join("engine.log"))),
            (0o700, 0o600, 0o600)
        );
        let (copy, original) = (
            fs::read_to_string(dir.join("engine.json")).unwrap(),
            fs::read_to_string(&site.connection).unwrap(),
        );
        assert_eq!(copy.trim_end(), original);
    }
    let key: Value = serde_json::from_str(&fs::read_to_string(&site.connection).unwrap()).unwrap();
    let noted = fs::read_to_string(site.noted()).unwrap();
    assert!(noted.contains("exec sh -s") && !noted.contains("PRIVATE KEY"), "{noted}");
    assert!(key["key_pem"].as_str().unwrap().contains("PRIVATE KEY"), "the test looks for the wrong words");

    let (code, again, _) = site.start_engines(&start);
    assert_eq!((code, again), (Some(0), out.replace("started", "already running")));
    let (code, status, _) = site.start_engines(&["--status", "localhost", "127.0.0.1"]);
    assert_eq!(code, Some(0), "{status}");
    assert!(status.starts_with("localhost: running, process "), "{status}");

    // Nobody listens at this address: it alone fails, and says so.
    let (code, status, err) = site.start_engines(&["--status", "127.0.0.3", "localhost"]);
    assert_eq!(code, Some(1));
    assert!(
        status.starts_with("localhost: running") && err.starts_with("127.0.0.3: ssh: connect to host"),
        "{status}{err}"
    );

    let (code, out, err) = site.start_engines(&["--stop", "127.0.0.1", "localhost"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("127.0.0.1: stopped, process "), "{out}");
    assert!(!site.host_dir("localhost").join("engine.json").exists(), "the key was left on the host");
    assert!(
        site.cluster.processes().iter().all(|(_, name)| name != "engine"),
        "{:?}",
        site.cluster.processes()
    );
    eventually("the controller has noticed", || site.engines().is_empty());
    let (code, out, _) = site.start_engines(&["--status", "localhost"]);
    assert_eq!((code, out.as_str()), (Some(1), "localhost: not running\n"));
    let (code, out, _) = site.start_engines(&["--stop", "localhost"]);
    assert_eq!((code, out.as_str()), (Some(0), "localhost: not running\n"));
}

#[test]
fn an_engine_can_be_copied_and_hosts_can_be_listed_in_a_file() {
    let site = Site::new();
    let hosts = site.cluster.scratch().join("hosts file");
    fs::write(&hosts, "# two names of one machine\n127.0.0.1 1 # one\n\nlocalhost slots=3\n").unwrap();
    let engine = program("engine").display().to_string();
    site.hosts_say("welcome\nto this machine\n");
    let (code, out, err) = site.start_engines(&[
        "--copy-engine",
        "--engine",
        &engine,
        "--parallel",
        "1",
        hosts.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(err.contains("localhost: to this machine\n"), "{err}");
    let engines = site.engines();
    for (line, expected) in out.lines().zip([1, 3]) {
        let (host, pid) = line.split_once(": started, process ").unwrap_or_else(|| panic!("{out}{err}"));
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        assert_eq!(program, site.host_dir(host).join("engine"));
        let pid: u32 = pid.parse().unwrap();
        assert_eq!(engines.iter().filter(|e| e["node_pid"] == pid).count(), expected);
    }
    assert_eq!(site.start_engines(&["--stop", hosts.to_str().unwrap()]).0, Some(0));
}

#[test]
fn what_goes_wrong_on_a_host_is_said_with_its_name() {
    let site = Site::new();
    let (code, _, err) = site.start_engines(&["--engine", "/no/such engine", "localhost"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("localhost: error: there is no program /no/such engine here"), "{err}");
    assert!(err.ends_with("start-engines: 1 of 1 hosts failed\n"), "{err}");

    let engine = program("engine").display().to_string();
    let good = fs::read_to_string(&site.connection).unwrap();
    let mut damaged: Value = serde_json::from_str(&good).unwrap();
    damaged["key_pem"] = "none".into();
    fs::write(&site.connection, serde_json::to_string_pretty(&damaged).unwrap()).unwrap();
    let (code, _, err) = site.start_engines(&["--engine", &engine, "localhost"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("localhost: error: the engine has ended; its log")
            && err.contains("localhost:   | engine: "),
        "{err}"
    );
    assert!(!site.host_dir("localhost").join("engine.json").exists(), "the key was left on the host");

    // A controller that is away: it is given time, then the engine is not left behind.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut file: Value = serde_json::from_str(&good).unwrap();
    file["endpoints"]["tcp"] = serde_json::json!([away.to_string()]);
    fs::write(&site.connection, serde_json::to_string_pretty(&file).unwrap()).unwrap();
    let (code, _, err) = site.start_engines(&["--engine", &engine, "--timeout", "1", "localhost"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("has not reached the controller within 1 seconds") && err.contains("cannot be reached"),
        "{err}"
    );
    eventually("no engine is left", || site.cluster.processes().iter().all(|(_, name)| name != "engine"));
}

#[test]
fn wrong_usage_reaches_no_host() {
    let site = Site::new();
    for (arguments, code, message) in [
        (&["-n", "four", "localhost"][..], 2, "-n four is no number"),
        (&["--frobnicate", "localhost"], 2, "no option --frobnicate"),
        (&["-oProxyCommand=touch x"], 2, "no option -oProxyCommand"),
        (&["local host"], 2, "'local host' is no host name"),
        (&["../up"], 2, "'../up' is no host name"),
        (&["--profile"], 2, "--profile needs a value"),
        (&[], 2, "no hosts are given"),
        (&["--connection", "/no/such/file", "localhost"], 1, "/no/such/file cannot be read"),
    ] {
        let (found, out, err) = site.start_engines(arguments);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
    let client = site.cluster.home().join("remote/client.json");
    let (code, _, err) = site.start_engines(&["--connection", client.to_str().unwrap(), "localhost"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no connection file for engines"), "{err}");
    assert!(!site.noted().exists(), "ssh was called");
}
