//! Work mappers: `mappers MODE KIND GATE` with the kinds `serial`, `workers` and `tasks`, on clusters of their own; `on-workers`, `on-tasks` on
//! the engines of the cluster under test. Functions sign at the gate, and some wait there.

use std::path::Path;
use std::time::{Duration, Instant};

use phalanx::mapper::{ArgumentLists, MapError, Mapper, SegmentFunc, TaskMapper, WorkMapper, WorkerMapper};
use phalanx::{Client, Value};
use phalanx_tests::{Gate, is_alive};

type AnyMapper<L, R> = Box<dyn WorkMapper<L, R>>;
type Outcome = Result<(), Box<dyn std::error::Error>>;
/// A task's number, and the gate.
type Numbered = (Vec<u64>, Vec<Gate>);

/// More than the tests' three workers have at once.
const TASKS: u64 = 9;
const WORKERS: Option<usize> = Some(3);

fn main() -> Outcome {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, kind, gate] = arguments.as_slice() else { panic!("mappers MODE KIND GATE") };
    let gate = Gate::at(gate);
    match mode.as_str() {
        "known" => known(kind),
        "refused" => refused(kind, &gate),
        "failing" => failing(kind, &gate, SegmentFunc::fallible(fails_on_1)),
        "panicking" => failing(kind, &gate, SegmentFunc::new(panics_on_1)),
        "held" => held(kind, &gate),
        "pids" => pids(kind, &gate),
        "resources" => resources(kind, &gate),
        "no-device" => no_device(kind, &gate),
        "times" => times(kind),
        "idle" => idle(kind, &gate),
        "exits" => exits(kind, &gate),
        "names" => names(&gate),
        other => panic!("no such mode: {other:?}"),
    }
}

fn mapper<L: ArgumentLists + 'static, R: Value>(kind: &str) -> AnyMapper<L, R> {
    match kind {
        "serial" => Box::new(Mapper::new()),
        "workers" => Box::new(WorkerMapper::new()),
        "tasks" => Box::new(TaskMapper::new()),
        "on-workers" => Box::new(WorkerMapper::on(clients())),
        "on-tasks" => Box::new(TaskMapper::on(clients())),
        other => panic!("no such kind: {other:?}"),
    }
}

/// A client of the cluster under test, for as long as the program runs.
fn clients() -> &'static Client {
    static CLIENT: std::sync::OnceLock<Client> = std::sync::OnceLock::new();
    CLIENT.get_or_init(|| Client::connect("test").unwrap_or_else(|e| panic!("{e}")))
}

fn numbered(gate: &Gate, n: u64) -> Numbered {
    ((0..n).collect(), vec![gate.clone(); n as usize])
}

/// An error in one line, with what it is.
fn told(e: &MapError) {
    let what = match e {
        MapError::Task { index, worker, source } => {
            format!("task {index} worker {worker} kind {}", source.kind.as_str())
        }
        MapError::Worker { worker, .. } => format!("worker {worker}"),
        MapError::WorkerKilled { worker, signal, .. } => format!("killed {worker} signal {signal}"),
        MapError::UnequalLists { lengths } => format!("unequal {lengths:?}"),
        MapError::NoFunction => "no function".to_owned(),
        MapError::NoWorkers => "no workers".to_owned(),
        MapError::NotInitialised => "not initialised".to_owned(),
        MapError::TooFewEngines { wanted, there } => format!("too few {wanted} {there}"),
        _ => "other".to_owned(),
    };
    println!("error {what}: {}", e.to_string().replace('\n', " / "));
}

fn known(kind: &str) -> Outcome {
    let mut one = mapper::<Vec<i64>, i64>(kind);
    one.init(Some(SegmentFunc::new(|x: i64| x + 1)), WORKERS)?;
    println!("values {:?}", one.map(vec![0, 1, 2])?);
    println!("many {:?}", one.map((0..20).collect())? == (1..21).collect::<Vec<_>>());
    println!("empty {:?} {}", one.map(vec![])?, one.worker_segment_times().values().flatten().count());
    let mut three = mapper::<(Vec<Vec<f64>>, Vec<String>, Vec<u8>), String>(kind);
    let join = |x: Vec<f64>, text: String, n: u8| format!("{:?}{text}{n}", x.iter().sum::<f64>());
    three.init(Some(SegmentFunc::new(join)), WORKERS)?;
    let texts = ["a", "b"].map(str::to_owned).to_vec();
    println!("joined {:?}", three.map((vec![vec![0.5, 1.0], vec![]], texts, vec![7, 8]))?);
    Ok(())
}

fn sign(i: u64, gate: Gate) -> u64 {
    gate.sign(i);
    i
}

fn refused(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    mapper.init(None, WORKERS).map_err(|e| told(&e)).expect_err("it needs a function");
    let segment = SegmentFunc::new(sign);
    for none in [None, Some(0)] {
        let _ = mapper.init(Some(segment), none).map_err(|e| told(&e));
    }
    mapper.cleanup();
    mapper.map(numbered(gate, 1)).map_err(|e| told(&e)).expect_err("nobody is there");
    mapper.init(Some(segment), WORKERS)?;
    let (numbers, _) = numbered(gate, 3);
    mapper.map((numbers, vec![gate.clone(); 2])).map_err(|e| told(&e)).expect_err("one list is shorter");
    println!("arrived {}", gate.arrivals().len());
    println!("values {:?}", mapper.map(numbered(gate, 3))?);
    Ok(())
}

/// Task 1 fails when three are there; with one worker there is nobody to wait for. The others never end by themselves.
fn wait_for_others(i: u64, gate: &Gate) {
    if i == 1 {
        gate.sign(i);
        gate.wait_for_arrivals(if gate.is_open() { 2 } else { 3 });
    } else {
        gate.pass(i);
    }
}

fn fails_on_1(i: u64, gate: Gate) -> Result<u64, String> {
    wait_for_others(i, &gate);
    if i == 1 { Err("one is broken".to_owned()) } else { Ok(i) }
}

fn panics_on_1(i: u64, gate: Gate) -> u64 {
    wait_for_others(i, &gate);
    assert_ne!(i, 1, "one is broken");
    i
}

fn failing(kind: &str, gate: &Gate, segment: SegmentFunc<(u64, Gate), u64>) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    mapper.init(Some(segment), WORKERS)?;
    after_error(mapper.as_mut(), gate, TASKS)
}

/// Maps, which fails, and shows that the mapper can be used again.
fn after_error(mapper: &mut dyn WorkMapper<Numbered, u64>, gate: &Gate, n: u64) -> Outcome {
    let started = Instant::now();
    told(&mapper.map(numbered(gate, n)).expect_err("it fails"));
    println!("seconds {}", started.elapsed().as_secs());
    println!("alive {}", gate.arrivals().iter().filter(|a| is_alive(a.pid)).count());
    told(&mapper.map(numbered(gate, 1)).expect_err("it needs init"));
    mapper.cleanup();
    mapper.cleanup();
    mapper.init(Some(SegmentFunc::new(|i: u64, _: Gate| i + 1)), WORKERS)?;
    println!("again {:?}", mapper.map(numbered(gate, 3))?);
    Ok(())
}

fn pass(i: u64, gate: Gate) -> u64 {
    gate.pass(i);
    i
}

fn held(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    mapper.init(Some(SegmentFunc::new(pass)), WORKERS)?;
    after_error(mapper.as_mut(), gate, TASKS)
}

/// Takes its time at the end of its process, so that the next one would be seen to be early.
struct Lingers;

impl Drop for Lingers {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(200));
    }
}

thread_local! {
    static LINGERS: Lingers = const { Lingers };
}

/// Passes the gate, and says who it was and how many who had come before were still there.
fn look_around(i: u64, gate: Gate) -> (u32, usize) {
    LINGERS.with(|_| ());
    let mut others: Vec<u32> = gate.arrivals().into_iter().map(|a| a.pid).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|pid| *pid != std::process::id() && is_alive(*pid));
    gate.pass(i);
    (std::process::id(), others.len())
}

fn pids(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, (u32, usize)>(kind);
    mapper.init(Some(SegmentFunc::new(look_around)), WORKERS)?;
    for _ in 0..2 {
        let (pids, there): (Vec<u32>, Vec<usize>) = mapper.map(numbered(gate, TASKS))?.into_iter().unzip();
        println!("pids {pids:?}");
        println!("others {}", there.into_iter().max().unwrap_or_default());
    }
    mapper.cleanup();
    println!("alive {}", gate.arrivals().iter().filter(|a| is_alive(a.pid)).count());
    Ok(())
}

/// Signs when it is made and when it is dropped: at the gate in the cluster's home, for a factory gets nothing but its worker's index.
struct Device {
    worker: usize,
    uses: u32,
    gate: Gate,
}

impl Device {
    fn make(worker: usize) -> Self {
        let gate =
            Gate::at(Path::new(&std::env::var("PHALANX_HOME").expect("the test has set it")).join("gate"));
        gate.sign(format!("made-{worker}"));
        Self { worker, uses: 0, gate }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.gate.sign(format!("dropped-{}", self.worker));
    }
}

fn use_device(device: &mut Device, i: u64, _: Gate) -> (u64, usize, u32, u32) {
    device.uses += 1;
    (i, device.worker, device.uses, std::process::id())
}

fn resources(kind: &str, gate: &Gate) -> Outcome {
    let segment = SegmentFunc::with_resource(Device::make, use_device);
    let mut mapper = mapper(kind);
    if kind.starts_with("on-") {
        mapper.init(Some(segment), Some(4)).map_err(|e| told(&e)).expect_err("there are three engines");
    }
    mapper.init(Some(segment), Some(2))?;
    for _ in 0..2 {
        for (i, worker, uses, pid) in mapper.map(numbered(gate, TASKS))? {
            println!("use {i} worker {worker} uses {uses} pid {pid}");
        }
    }
    mapper.cleanup();
    println!("cleaned up");
    Ok(())
}

/// There is no third device.
fn no_device(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    let factory = |worker| if worker < 2 { Ok(worker) } else { Err(format!("there is no device {worker}")) };
    let use_it = |_: &mut usize, i: u64, gate: Gate| {
        gate.pass(i);
        Ok::<_, String>(i)
    };
    let segment = SegmentFunc::fallible_with_resource(factory, use_it);
    let init = mapper.init(Some(segment), WORKERS);
    let failed = init.and_then(|()| mapper.map(numbered(gate, TASKS)).map(drop));
    told(&failed.expect_err("there is no third device"));
    mapper.init(Some(SegmentFunc::new(sign)), WORKERS)?;
    println!("again {:?}", mapper.map(numbered(gate, 3))?);
    Ok(())
}

fn times(kind: &str) -> Outcome {
    let mut mapper = mapper::<Vec<u64>, ()>(kind);
    mapper.init(Some(SegmentFunc::new(|ms: u64| std::thread::sleep(Duration::from_millis(ms)))), WORKERS)?;
    let show = |mapper: &AnyMapper<Vec<u64>, ()>| {
        for (worker, times) in mapper.worker_segment_times() {
            println!("worker {worker} times {times:?}");
        }
        println!("--");
    };
    show(&mapper);
    for lists in [vec![300; 4], vec![150, 0, 0, 0, 0]] {
        mapper.map(lists)?;
        show(&mapper);
    }
    Ok(())
}

/// A worker is killed while it has nothing to do.
fn idle(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    mapper.init(Some(SegmentFunc::new(sign)), WORKERS)?;
    mapper.map(numbered(gate, 3))?;
    println!("idle");
    gate.pass("client");
    after_error(mapper.as_mut(), gate, TASKS)
}

fn exits(kind: &str, gate: &Gate) -> Outcome {
    let mut mapper = mapper::<Numbered, u64>(kind);
    let exit = |i: u64, gate: Gate| if i == 1 { std::process::exit(3) } else { pass(i, gate) };
    mapper.init(Some(SegmentFunc::new(exit)), WORKERS)?;
    after_error(mapper.as_mut(), gate, TASKS)
}

/// What engines keep is not touched by tasks that run beside it, nor by mappers that keep something there.
fn names(gate: &Gate) -> Outcome {
    let client = clients();
    let dview = client.direct_view(..);
    dview.push("k", &7_u32).get()?;
    let workers = dview.apply(std::process::id, ()).get()?;
    println!("workers {workers:?}");
    let mut tasks = TaskMapper::on(client);
    tasks.init(Some(SegmentFunc::new(look_around)), None)?;
    gate.open();
    let pids: Vec<u32> = tasks.map(numbered(gate, TASKS))?.into_iter().map(|(pid, _)| pid).collect();
    println!("tasks {pids:?}");
    let mut stay = WorkerMapper::on(client);
    stay.init(Some(SegmentFunc::new(look_around)), None)?;
    println!("stay {:?}", stay.map(numbered(gate, 3))?.into_iter().map(|(pid, _)| pid).collect::<Vec<_>>());
    stay.cleanup();
    println!("names {:?} {:?}", dview.pull::<u32>("k").get()?, dview.names().get()?);
    // Side by side with other work.
    tasks.init(Some(SegmentFunc::new(|i: u64, _: Gate| (i as u32, 0))), None)?;
    let other = client.load_balanced_view().map_async(|x: u64| x + 1, 0..200_u64, 1);
    let mapped: Vec<u32> = tasks.map(numbered(gate, TASKS))?.into_iter().map(|(i, _)| i).collect();
    println!("beside {mapped:?} {:?}", other.get()?.iter().sum::<u64>());
    Ok(())
}
