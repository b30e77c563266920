//! The client of the tests of what functions print: `output SCENARIO ARGUMENTS…`. It checks what comes back and prints what a test then
//! looks at, a line each.

use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use phalanx::{AsyncMapResult, ChunkOutput, Client, JobHandle, RemoteErrorKind, StdStream};
use phalanx_tests::{DEADLINE, Gate, wait_until};

/// More than a pipe holds.
const BEFORE_INIT_LINES: usize = 4000;
const LONG_BYTES: usize = 10 << 20;

fn main() -> phalanx::Result<()> {
    if std::env::var_os("PHALANX_WORKER_SOCKET_FD").is_some() {
        // A program that prints before it becomes a worker, more than a pipe holds.
        (0..BEFORE_INIT_LINES).for_each(|i| println!("before init: line {i} of a worker"));
    }
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["local"] = arguments[..] {
        return interactive(&Client::local(1)?);
    }
    if let ["unread"] = arguments[..] {
        return unread(&Client::local(1)?);
    }
    let client = Client::connect("test")?;
    match arguments[..] {
        ["map"] => map(&client)?,
        ["quick"] => quick(&client)?,
        ["late"] => late(&client)?,
        ["pending", gate] => pending(&client, Gate::at(gate))?,
        ["killed"] => killed(&client),
        ["overrun"] => overrun(&client),
        ["retries", gate] => retries(&client, Gate::at(gate))?,
        ["flood"] => flood(&client)?,
        ["long"] => long(&client)?,
        ["children"] => children(&client)?,
        ["background"] => background(&client)?,
        ["direct"] => direct(&client)?,
        ["interactive"] => interactive(&client)?,
        ["failures", gate] => failures(&client, Gate::at(gate))?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// Every chunk's words are its own, and here with its result.
fn map(client: &Client) -> phalanx::Result<()> {
    let speak = |x: u64| {
        println!("this is {x}");
        eprintln!("error of {x}");
        tracing::info!("event of {x}");
        tracing::debug!("not shown");
        print!("half a line of {x}");
        x
    };
    let out = client.load_balanced_view().map_async(speak, 0..60, 3);
    for (element, value) in out.as_completed() {
        assert_eq!(value.ok(), Some(element));
        let line = format!("this is {element}\n");
        let is_here = texts(&out.stdout()).iter().any(|text| text.contains(&line));
        assert!(is_here, "its output is here with its result: {element}");
    }
    let (stdout, stderr) = (out.stdout(), out.stderr());
    assert_eq!((stdout.len(), stderr.len()), (20, 20), "{stdout:#?}");
    for (chunk, (printed, errors)) in (0..).zip(stdout.iter().zip(&stderr)) {
        let range = 3 * chunk..3 * chunk + 3;
        assert_eq!((printed.chunk, printed.chunks, printed.attempt), (chunk, 1, 1));
        assert_eq!((&printed.elements, &errors.elements), (&range, &range));
        assert_eq!(printed.dropped + errors.dropped, 0);
        let said = range.clone().map(|x| format!("this is {x}\nhalf a line of {x}")).collect::<String>();
        assert_eq!(printed.text, said);
        for x in range {
            assert!(errors.text.contains(&format!("error of {x}\n")), "{}", errors.text);
            assert!(errors.text.contains(&format!("INFO output: event of {x}\n")), "{}", errors.text);
        }
        assert!(!errors.text.contains("not shown") && !errors.text.contains('\x1b'), "{}", errors.text);
    }
    let engines: Vec<u32> = out.chunks().iter().map(|chunk| chunk.engine).collect();
    assert_eq!(stdout.iter().map(|output| output.engine).collect::<Vec<_>>(), engines);
    println!("told apart");
    Ok(())
}

/// Chunks of microseconds, all of which print.
fn quick(client: &Client) -> phalanx::Result<()> {
    let n = 3000;
    let out = client.load_balanced_view().map_async(|x: u64| println!("{x}"), 0..n, 1);
    out.get()?;
    let stdout = out.stdout();
    assert_eq!(stdout.len() as u64, n);
    for (x, output) in (0..).zip(&stdout) {
        assert_eq!((output.chunk, output.chunks, output.text.as_str()), (x, 1, format!("{x}\n").as_str()));
    }
    println!("told apart");
    Ok(())
}

/// Chunks of microseconds, of which a late one is the first to print: it is known to be one of some.
fn late(client: &Client) -> phalanx::Result<()> {
    let n = 20_000;
    let speak = |x: u64| {
        if x >= 15_000 && x % 1000 == 77 {
            println!("this is {x}");
        }
    };
    let out = client.load_balanced_view().map_async(speak, 0..n, 1);
    out.get()?;
    let stdout = out.stdout();
    assert_eq!(stdout.iter().map(|output| output.text.lines().count()).sum::<usize>(), 5, "{stdout:#?}");
    for output in stdout {
        for line in output.text.lines() {
            let x: u64 =
                line.rsplit(' ').next().and_then(|x| x.parse().ok()).expect("a line ends with its element");
            assert!(output.elements.contains(&x), "{output:?}");
            assert_eq!(output.elements.end - output.elements.start, u64::from(output.chunks));
        }
    }
    println!("in range");
    Ok(())
}

/// What a running function says can be read, and followed, before it ends.
fn pending(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let held = |gate: &Gate, x: u64| {
        println!("{x} is at the gate");
        gate.pass(x);
        println!("{x} has passed");
    };
    let out = client.load_balanced_view().with(gate.clone()).map_async(held, 0..1, 1);
    wait_until("its words are here", DEADLINE, || texts(&out.stdout()) == ["0 is at the gate\n"]);
    let mut output = out.follow_output();
    assert_eq!(output.next().map(|piece| piece.text).as_deref(), Some("0 is at the gate\n"));
    assert!(!out.ready(), "it still runs");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        gate.open();
        assert_eq!(output.recv().await.map(|piece| piece.text).as_deref(), Some("0 has passed\n"));
        assert!(output.recv().await.is_none(), "it ends with the job");
    });
    assert!(out.wait(Some(DEADLINE)));
    assert_eq!(out.follow_output().count(), 2);
    assert_eq!(texts(&out.stdout()), ["0 is at the gate\n0 has passed\n"]);
    println!("seen while it ran");
    Ok(())
}

/// What was said before the process died comes back, for each attempt.
fn killed(client: &Client) {
    let die = |x: u64| {
        println!("{x} was here");
        if x == 2 {
            eprintln!("{x} is about to die");
            std::process::abort();
        }
    };
    let out = client.load_balanced_view().map_async(die, 0..4, 4);
    let failed: Vec<_> = out.results().into_iter().filter_map(Result::err).collect();
    assert_eq!((failed.len(), failed[0].kind), (1, RemoteErrorKind::Quarantined));
    let dying = out.stderr();
    let attempts: Vec<u32> = dying.iter().map(|output| output.attempt).collect();
    assert!(attempts.len() == 3 && attempts.windows(2).all(|pair| pair[0] < pair[1]), "{attempts:?}");
    assert!(dying.iter().all(|output| output.text == "2 is about to die\n"), "{dying:?}");
    let last = out.output_of(&failed[0]);
    assert!(texts(&last).iter().any(|text| text.contains("2 is about to die")), "{failed:?} {last:?}");
    println!("{} attempts", attempts.len());
}

/// What was said by an element that ran too long comes back.
fn overrun(client: &Client) {
    let hang = |x: u64| {
        println!("{x} hangs");
        loop {
            std::thread::sleep(DEADLINE);
        }
    };
    let view = client.load_balanced_view().run_limit(Duration::from_millis(300));
    let out: AsyncMapResult<()> = view.map_async(hang, 0..1, 1);
    assert_eq!(out.results()[0].as_ref().expect_err("it was ended").kind, RemoteErrorKind::RunLimit);
    assert_eq!(texts(&out.stdout()), ["0 hangs\n"]);
    println!("heard");
}

/// What each attempt said is kept apart.
fn retries(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        gate.sign(format!("{x}-{}", gate.arrivals().len()));
        println!("try {}", gate.arrivals().len());
        assert!(gate.arrivals().len() > 2, "not yet");
        x
    };
    let out = client.load_balanced_view().retries(5).with(gate).map_async(run, 0..1, 1);
    assert_eq!(out.get()?, [0]);
    let tries: Vec<_> = out.stdout().into_iter().map(|output| (output.attempt, output.text)).collect();
    assert_eq!(tries, (1..=3).map(|i| (i, format!("try {i}\n"))).collect::<Vec<_>>());
    let errors: Vec<u32> = out.follow_failures().map(|failure| failure.attempt).collect();
    assert_eq!(errors, [1, 2]);
    println!("kept apart");
    Ok(())
}

/// A function that prints without end takes bounded memory, can be followed, and aborted.
fn flood(client: &Client) -> phalanx::Result<()> {
    let flood = |_: u64| loop {
        println!("{}", "x".repeat(1000));
    };
    let out: AsyncMapResult<()> = client.load_balanced_view().map_async(flood, 0..2, 1);
    wait_until("some of it is dropped", DEADLINE, || out.output_dropped() > 32 << 20);
    let lines = out.follow_output().take(50).count();
    assert_eq!(lines, 50, "it can be followed");
    let kept: usize = out.outputs().iter().map(|output| output.text.len()).sum();
    assert!(kept < 2 * (33 << 10), "{kept} bytes are kept");
    assert!(
        out.outputs().iter().all(|output| output.dropped > 0 && output.text.contains("bytes dropped …]"))
    );
    out.abort();
    let after = client.load_balanced_view().map_async(|x: u64| println!("after {x}"), 0..4, 1);
    after.get()?;
    assert_eq!(after.stdout().len(), 4);
    println!("aborted");
    Ok(())
}

/// A line of ten megabytes, and bytes that are no text.
fn long(client: &Client) -> phalanx::Result<()> {
    let speak = |x: u64| {
        let mut out = std::io::stdout();
        out.write_all(b"first \xff\xfe\x00 ").expect("somebody reads");
        out.write_all(&vec![b'm'; LONG_BYTES]).expect("somebody reads");
        out.write_all(b" last").expect("somebody reads");
        x
    };
    let out = client.load_balanced_view().map_async(speak, 0..1, 1);
    assert_eq!(out.get()?, [0]);
    let [output] = &out.stdout()[..] else { panic!("there is one chunk: {:?}", out.stdout()) };
    assert!(output.text.starts_with("first \u{fffd}\u{fffd}\0 m"), "its beginning is kept");
    assert!(output.text.ends_with("m last"), "its end is kept");
    let kept = output.text.bytes().filter(|byte| *byte == b'm').count();
    assert!(output.dropped as usize > LONG_BYTES / 2, "most is dropped");
    // The gap's line says "…  bytes dropped", without an m.
    assert_eq!(kept + output.dropped as usize, LONG_BYTES, "and counted");
    println!("bounded");
    Ok(())
}

/// Children of the function speak for it.
fn children(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| {
        let script = format!("echo a child of {x}; echo its error >&2");
        Command::new("sh").args(["-c", &script]).status().expect("there is a shell").success()
    };
    let out = client.load_balanced_view().map_async(run, 0..4, 1);
    assert_eq!(out.get()?, [true; 4]);
    assert_eq!(texts(&out.stdout()), (0..4).map(|x| format!("a child of {x}\n")).collect::<Vec<_>>());
    assert_eq!(texts(&out.stderr()), ["its error\n"; 4]);
    println!("heard");
    Ok(())
}

static TELL: OnceLock<Sender<Sender<()>>> = OnceLock::new();

/// A thread that goes on after its call speaks for what runs at the time; and between calls for nobody.
fn background(client: &Client) -> phalanx::Result<()> {
    let start = |_: u64| {
        let (tell, told) = channel::<Sender<()>>();
        std::thread::spawn(move || {
            while let Ok(done) = told.recv() {
                println!("the thread speaks");
                let _ = done.send(());
            }
            println!("between calls");
        });
        TELL.set(tell).is_ok()
    };
    let view = client.direct_view(0);
    let first = view.map_async(start, 0..1);
    assert_eq!(first.get()?, [true]);
    let ask = |x: u64| {
        let (done, is_done) = channel();
        TELL.get().expect("it was started").send(done).expect("it runs");
        is_done.recv().expect("it answers");
        x
    };
    let second = view.map_async(ask, 0..1);
    assert_eq!(second.get()?, [0]);
    assert!(first.stdout().is_empty(), "{:?}", first.stdout());
    assert_eq!(texts(&second.stdout()), ["the thread speaks\n"]);
    println!("put down to what ran");
    Ok(())
}

/// Every engine speaks for itself.
fn direct(client: &Client) -> phalanx::Result<()> {
    let view = client.direct_view(..);
    let out = view.apply(|x: u32| println!("got {x}"), (7,));
    out.get()?;
    let said: Vec<_> = out.stdout().iter().map(|output| (output.engine, output.to_string())).collect();
    assert_eq!(said, client.ids().iter().map(|id| (*id, format!("[engine {id}] got 7"))).collect::<Vec<_>>());
    out.display_outputs();
    println!("one each");
    Ok(())
}

/// Who waits with a bar sees what is printed, once.
fn interactive(client: &Client) -> phalanx::Result<()> {
    let speak = |x: u64| {
        println!("line of {x}");
        eprintln!("complaint of {x}");
    };
    let out = client.load_balanced_view().map_async(speak, 0..3, 1);
    out.wait_interactive()?;
    out.wait_interactive()?;
    Ok(())
}

/// Much is printed, and all values come.
fn unread(client: &Client) -> phalanx::Result<()> {
    let speak = |x: u64| {
        println!("line of {x}");
        eprintln!("complaint of {x}");
        x
    };
    let values = client.load_balanced_view().map_sync(speak, 0..500, 1)?;
    assert!(values.into_iter().eq(0..500));
    Ok(())
}

/// A failure shows while others still run.
fn failures(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        if x == 0 {
            gate.pass(x);
        } else {
            eprintln!("{x} is not good");
            panic!("{x} is bad");
        }
    };
    let out = client.load_balanced_view().with(gate.clone()).map_async(run, 0..3, 1);
    let mut failures = out.follow_failures();
    let mut failed: Vec<_> = failures.by_ref().take(2).collect();
    assert!(!out.ready(), "it still runs");
    failed.sort_by_key(|failure| failure.element);
    for (x, failure) in (1..).zip(&failed) {
        assert_eq!((failure.element, failure.message.as_str()), (x, format!("{x} is bad").as_str()));
        assert_eq!(texts(&out.output_of(failure)), [format!("{x} is not good\n")]);
    }
    gate.open();
    assert!(failures.next().is_none());
    assert!(out.get().is_err() && all_are(&out, StdStream::Stderr));
    println!("seen while it ran");
    Ok(())
}

fn all_are(out: &JobHandle, stream: StdStream) -> bool {
    out.outputs().iter().all(|output| output.stream == stream)
}

fn texts(outputs: &[ChunkOutput]) -> Vec<String> {
    outputs.iter().map(|output| output.text.clone()).collect()
}
