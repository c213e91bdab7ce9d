//! Runs damaged inputs over every parser, and lists those that end in a panic, an abort, a hang, or too much memory.
//!
//! ```sh
//! cargo run --release -p edgezen-fuzz -- --inputs 1000                 # 1,000 for each parser
//! cargo run --release -p edgezen-fuzz -- --parser journal --inputs 1000000 --seed 7
//! cargo run --release -p edgezen-fuzz -- --parser journal --seed 7 --show 4711 > input
//! ```
//!
//! Each parser runs in a process of its own, which is started anew after the input that it died of. That input is
//! written to the folder `fuzz-faults`. The exit status is 1 if there was a fault.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use clap::Parser as _;
use edgezen_fuzz::heap::Bounded;
use edgezen_fuzz::{Parser, by_name, mutation, registry};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// More than this for one input is a fault. The largest whole input is 8 MB.
const MOST_BYTES: usize = 1 << 30;

/// An input that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);

#[global_allocator]
static HEAP: Bounded = Bounded::new(MOST_BYTES);

#[derive(clap::Parser)]
#[command(about = "Damaged inputs for every parser of edgezen")]
struct Args {
    /// Inputs for each parser, the whole ones included
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    inputs: u64,
    /// Seed of the damage
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Only this parser
    #[arg(long, value_name = "NAME")]
    parser: Option<String>,
    /// Folder for inputs that ended in a fault
    #[arg(long, default_value = "fuzz-faults", value_name = "DIR")]
    faults: PathBuf,
    /// Write one input to stdout instead
    #[arg(long, value_name = "NUMBER", requires = "parser")]
    show: Option<u64>,
    /// Run the inputs in this process, beginning with this one
    #[arg(long, hide = true, requires = "parser")]
    from: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let parsers = match &args.parser {
        None => registry(),
        Some(name) => match by_name(name) {
            Some(parser) => vec![parser],
            None => {
                let known: Vec<&str> = registry().iter().map(|parser| parser.name).collect();
                eprintln!("error: there is no parser {name}\n  try: one of {}", known.join(", "));
                return ExitCode::from(2);
            }
        },
    };
    match run(&args, &parsers) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(faults) => {
            eprintln!("{faults} faults; the inputs are in {}", args.faults.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the number of faults.
fn run(args: &Args, parsers: &[Parser]) -> io::Result<usize> {
    if let (Some(number), [parser]) = (args.show, parsers) {
        io::stdout().write_all(&input(parser, &(parser.seeds)()?, args.seed, number))?;
        return Ok(0);
    }
    if let (Some(from), [parser]) = (args.from, parsers) {
        work(parser, args, from)?;
        return Ok(0);
    }
    println!("{:<18} {:>9} {:>9} {:>10} {:>7}", "parser", "inputs", "accepted", "most bytes", "faults");
    let mut all = 0;
    for parser in parsers {
        let tried = supervise(parser, args)?;
        println!(
            "{:<18} {:>9} {:>9} {:>10} {:>7}",
            parser.name,
            args.inputs,
            tried.accepted,
            tried.peak,
            tried.faults.len()
        );
        for (number, fault) in &tried.faults {
            println!("  {} --seed {} --show {number}: {fault}", parser.name, args.seed);
            save(parser, args, *number)?;
        }
        all += tried.faults.len();
    }
    Ok(all)
}

fn input(parser: &Parser, seeds: &[Vec<u8>], seed: u64, number: u64) -> Vec<u8> {
    (parser.seal)(mutation::mutated(seeds, seed, number))
}

fn save(parser: &Parser, args: &Args, number: u64) -> io::Result<()> {
    std::fs::create_dir_all(&args.faults)?;
    let path = args.faults.join(format!("{}-{}-{number}", parser.name, args.seed));
    std::fs::write(path, input(parser, &(parser.seeds)()?, args.seed, number))
}

/// Says of each input when it begins, and whether it was accepted and with how many bytes when it ends.
fn work(parser: &Parser, args: &Args, from: u64) -> io::Result<()> {
    let seeds = (parser.seeds)()?;
    let mut out = io::stdout().lock();
    for number in from..args.inputs {
        let input = input(parser, &seeds, args.seed, number);
        writeln!(out, "{number}")?;
        out.flush()?;
        HEAP.take_peak();
        let accepted = (parser.parse)(&input).is_ok();
        writeln!(out, "{} {}", u8::from(accepted), HEAP.take_peak())?;
    }
    Ok(())
}

/// What became of the inputs of a parser.
#[derive(Default)]
struct Tried {
    accepted: u64,
    peak: usize,
    faults: Vec<(u64, String)>,
}

/// Runs all inputs of a parser in processes that may die.
fn supervise(parser: &Parser, args: &Args) -> io::Result<Tried> {
    let mut tried = Tried::default();
    let mut next = 0;
    while next < args.inputs {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--parser", parser.name, "--from", &next.to_string()])
            .args(["--inputs", &args.inputs.to_string(), "--seed", &args.seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let Some((number, fault)) = watch(&mut child, &mut tried)? else { return Ok(tried) };
        let Some(number) = number else {
            return Err(io::Error::other(format!("{}: {fault}", parser.name)));
        };
        tried.faults.push((number, fault));
        next = number + 1;
    }
    Ok(tried)
}

/// Follows a process to its end. Gives the input that it died of, if it did, and how.
fn watch(child: &mut Child, tried: &mut Tried) -> io::Result<Option<(Option<u64>, String)>> {
    let lines = lines_of(child.stdout.take());
    let complaints = lines_of(child.stderr.take());
    let mut current = None;
    let hung = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => match line.split_once(' ') {
                Some((accepted, peak)) => {
                    tried.accepted += u64::from(accepted == "1");
                    tried.peak = tried.peak.max(peak.parse().unwrap_or(0));
                }
                None => current = line.parse().ok(),
            },
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                break true;
            }
        }
    };
    let status = child.wait()?;
    if status.success() {
        return Ok(None);
    }
    let said: Vec<String> = complaints.iter().filter(|line| !line.trim().is_empty()).take(2).collect();
    let fault = if hung {
        format!("no answer in {} s", PATIENCE.as_secs())
    } else {
        format!("{status}: {}", said.join(" "))
    };
    Ok(Some((current, fault)))
}

/// The lines of a pipe, read by a thread so that one can wait for them for a limited time.
fn lines_of(pipe: Option<impl io::Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
