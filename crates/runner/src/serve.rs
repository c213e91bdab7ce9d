//! The runner's loop: it reads a job from each line, runs it, and writes a line with the reply.

use super::conditions;
use super::engines::Engines;
use super::pace::Pace;
use super::pinning::Cores;
use super::protocol::{FORMAT, Fault, Job, Reply, VERSION};
use super::results::Results;
use super::sampler::SampleError;
use super::trial::{Network, Trial, TrialError};
use super::work::Work;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::kernel::MAX_BATCH;
use edgezen_engine::guard::guarded;
use std::io::{self, BufRead, Read, Write};

/// What the runner says before it reads any job.
pub fn greeting(engines: &Engines) -> Reply {
    Reply::Ready {
        protocol: VERSION,
        runner_version: env!("CARGO_PKG_VERSION").to_owned(),
        runtimes: engines.here(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cores: conditions::affinity().unwrap_or_default(),
    }
}

/// Answers the jobs of `input` on `output` until the input ends, each on its part of the `cores`. With a record of `results`, each reply is first
/// written there, a job whose reply is there already is not run again, and the work goes on when the output is closed.
///
/// # Errors
/// Input or output that fails. Jobs that fail are answered, not errors.
pub fn serve(
    engines: &mut Engines,
    cores: &Cores,
    mut input: impl BufRead,
    mut output: impl Write,
    mut results: Option<Results>,
) -> io::Result<()> {
    let recorded = results.is_some();
    let mut send = |reply: &Reply| match write_line(&mut output, reply) {
        Err(_) if recorded => Ok(()),
        written => written,
    };
    send(&greeting(engines))?;
    while let Some(line) = next_line(&mut input)? {
        if matches!(&line, Ok(line) if line.trim().is_empty()) {
            continue;
        }
        let job = match line.and_then(|line| read(&line)) {
            Ok(job) => job,
            Err(refusal) => {
                send(&refusal)?;
                continue;
            }
        };
        if let Some(known) = results.as_mut().and_then(|results| results.find(&job.id)) {
            send(&known)?;
            continue;
        }
        let reply = answer(engines, cores, &job);
        if let Some(Err(e)) = results.as_mut().map(|results| results.add(&reply)) {
            send(&Reply::Warning { reason: format!("the result of {} is not on the device: {e}", job.id) })?;
        }
        send(&reply)?;
    }
    Ok(())
}

/// The next line, or the refusal of one that is no text or longer than a job can be; `None` at the end.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Result<String, Reply>>> {
    let mut line = Vec::new();
    if input.by_ref().take(FORMAT.most_bytes).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == FORMAT.most_bytes && line.last() != Some(&b'\n') {
        skip_line(input)?;
        return Ok(Some(Err(refusal(format!("a line of more than {} bytes", FORMAT.most_bytes)))));
    }
    Ok(Some(String::from_utf8(line).map_err(|_| refusal("it is not text".into()))))
}

/// Reads to the end of the line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let read = input.fill_buf()?;
        let end = read.iter().position(|&byte| byte == b'\n');
        let (used, done) = (end.map_or(read.len(), |end| end + 1), end.is_some() || read.is_empty());
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

fn write_line(output: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

fn read(line: &str) -> Result<Job, Reply> {
    // The version comes first: a job of another one need not be readable at all.
    let value: serde_json::Value = serde_json::from_str(line).map_err(|e| bad_job(&e))?;
    if let Some(version) = FORMAT.version(&value)
        && !FORMAT.reads(version)
    {
        let reason = format!("the job speaks protocol {version}, this runner {VERSION}");
        let id = value["id"].as_str().map(str::to_owned);
        return Err(Reply::Failed { id, fault: Fault::Protocol, reason });
    }
    serde_json::from_value(value).map_err(|e| bad_job(&e))
}

fn bad_job(error: &serde_json::Error) -> Reply {
    refusal(error.to_string())
}

fn refusal(reason: String) -> Reply {
    Reply::Failed { id: None, fault: Fault::BadJob, reason: format!("not a job: {reason}") }
}

fn answer(engines: &mut Engines, cores: &Cores, job: &Job) -> Reply {
    let failed = |fault, reason: String| Reply::Failed { id: Some(job.id.clone()), fault, reason };
    if let Err(e) = job.policy.check() {
        return failed(Fault::BadJob, e.to_string());
    }
    if !(1..=MAX_BATCH).contains(&job.batch) {
        return failed(Fault::BadJob, format!("batch {} is out of range; use 1 to {MAX_BATCH}", job.batch));
    }
    let cores = match cores.place(job.running.threads) {
        Ok(cores) => cores,
        Err(e) => return failed(Fault::BadJob, e.to_string()),
    };
    // A structure that cannot be read says so before a runtime is looked for.
    if let Some(Err(e)) = job.work.subject().map(Subject::graph) {
        return failed(Fault::Subject, e.to_string());
    }
    let engine = match engines.open(&job.running) {
        Ok(engine) => engine,
        Err(e) => return failed(Fault::Runtime, e.to_string()),
    };
    let ending = engine.file_ending();
    // In integers, a network has to be written anew.
    let as_it_is = ending == Some("onnx") && job.running.precision == "fp32";
    let checked = job.work.check(engine.name(), ending).and_then(|()| job.work.graph(as_it_is));
    let graph = match checked {
        Ok(graph) => graph,
        Err(e) => return failed(Fault::Subject, e.to_string()),
    };
    let network = match (&graph, &job.work) {
        (Some(graph), _) => Network::Graph(graph),
        (None, Work::File(path) | Work::Written(path)) => Network::File(path),
        (None, Work::Subject(_)) => return failed(Fault::Subject, "it has no graph".into()),
    };
    let trial = Trial {
        engine,
        network,
        subject: job.work.subject(),
        batch: job.batch,
        seed: job.seed,
        precision: &job.running.precision,
        policy: &job.policy,
        compare: job.compare,
        cores: &cores,
    };
    // Engines assert what they do not expect of a network.
    let measured = match guarded(|| trial.measure(Some(&mut Pace::default()))) {
        Ok(measured) => measured,
        Err(reason) => return failed(Fault::Engine, format!("{} gave up: {reason}", engine.name())),
    };
    match measured {
        Ok(measured) => Reply::Done { id: job.id.clone(), measured: Box::new(measured) },
        Err(e) => {
            let fault = match e {
                TrialError::Load(_) | TrialError::Run(SampleError::Run(_)) => Fault::Engine,
                TrialError::Run(SampleError::Inconsistent) => Fault::Inconsistent,
                TrialError::Run(SampleError::Clock) => Fault::Clock,
            };
            failed(fault, e.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, Running};

    fn tract() -> Engines {
        Engines::new(Vec::new())
    }

    fn job(id: &str, structure: &str) -> Job {
        Job {
            protocol: VERSION,
            id: id.into(),
            work: Work::Subject(Subject::Block { structure: structure.into(), resolution: 8 }),
            running: Running::tract(),
            compare: true,
            batch: 1,
            seed: 1,
            policy: Policy { warmup_min_ns: 0, max_ns: 0, ..Policy::HOST },
        }
    }

    fn line(job: &Job) -> String {
        serde_json::to_string(job).unwrap() + "\n"
    }

    fn replies(bytes: Vec<u8>) -> Vec<Reply> {
        String::from_utf8(bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn every_line_is_answered() {
        let mut lines = line(&job("7", "SuperResK3K3(8,16,2,8,1)"));
        lines += "garbage\n\n";
        lines += &line(&job("8", "SuperResK3K3(8,16,0,8,1)"));
        let running = Running { runtime: "litert".into(), ..Running::tract() };
        lines += &line(&Job { running, ..job("10", "SuperResK3K3(8,16,2,8,1)") });
        lines += &line(&Job { work: Work::File("/nowhere/a.tflite".into()), ..job("11", "") });
        lines += "{\"protocol\":99,\"id\":\"9\",\"weight\":3}\n";
        let mut out = Vec::new();
        serve(&mut tract(), &Cores::default(), lines.as_bytes(), &mut out, None).unwrap();
        let replies = replies(out);
        assert_eq!(replies.len(), 7);
        assert!(matches!(&replies[0], Reply::Ready { protocol: VERSION, .. }));
        let Reply::Done { id, measured } = &replies[1] else { panic!("{:?}", replies[1]) };
        assert_eq!(id, "7");
        assert!(measured.timing.samples_ns.len() >= 30 && measured.timing.samples_ns[0] > 0);
        assert!(measured.load_ns.is_some());
        // Whether the core was as fast as usual shows on the other side.
        assert_eq!(measured.timing.probes_ns.len(), measured.timing.samples_ns.len());
        assert!(measured.timing.usual_probe_ns.is_some());
        let failed: Vec<_> = replies[2..]
            .iter()
            .map(|reply| match reply {
                Reply::Failed { id, fault, .. } => (id.as_deref(), *fault),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            failed,
            [
                (None, Fault::BadJob),
                (Some("8"), Fault::Subject),
                (Some("10"), Fault::Runtime),
                (Some("11"), Fault::Subject),
                (Some("9"), Fault::Protocol)
            ]
        );
    }

    #[test]
    fn the_energy_is_that_of_whole_networks() {
        let model = edgezen_core::plainnet::published::by_name("zennet_cifar10_model_size05M_res32").unwrap();
        let block = job("1", "SuperResK3K3(8,16,2,8,1)");
        let policy = Policy { energy_ns: Some(40_000_000), min_runs: 3, ..block.policy };
        let network =
            Job { id: "2".into(), work: Work::Subject(Subject::network(&model, 1)), policy, ..block.clone() };
        let unasked = Job { policy: block.policy, id: "3".into(), ..network.clone() };
        let lines = [Job { policy, ..block }, network, unasked].map(|job| line(&job)).concat();
        let mut out = Vec::new();
        serve(&mut tract(), &Cores::default(), lines.as_bytes(), &mut out, None).unwrap();
        let energies: Vec<bool> = replies(out)[1..]
            .iter()
            .map(|reply| match reply {
                Reply::Done { measured, .. } => measured.energy.is_some(),
                other => panic!("{other:?}"),
            })
            .collect();
        // Whether there is a meter depends on the computer; why there is none is told.
        assert_eq!(energies, [false, true, false]);
    }

    #[test]
    fn long_lines_and_impossible_policies_are_answered() {
        let mut input = vec![b'x'; FORMAT.most_bytes as usize + 7];
        input.extend(b"\n\xff\n");
        let good = job("7", "SuperResK3K3(8,16,2,8,1)");
        for policy in [
            Policy { min_runs: 1_000_000_000, ..good.policy },
            Policy { max_ns: u64::MAX, ..good.policy },
            Policy { noisy_half_width: -1.0, ..good.policy },
        ] {
            input.extend(line(&Job { policy, ..good.clone() }).bytes());
        }
        input.extend(line(&Job { batch: 1 << 31, ..good.clone() }).bytes());
        let running = Running { threads: 100_000, ..Running::tract() };
        input.extend(line(&Job { running, ..good }).bytes());
        let mut out = Vec::new();
        serve(&mut tract(), &Cores::default(), &input[..], &mut out, None).unwrap();
        let replies = replies(out);
        assert_eq!(replies.len(), 8);
        for (reply, word) in replies[1..].iter().zip([
            "more than",
            "not text",
            "min_runs",
            "max_ns",
            "noisy",
            "batch",
            "100000 threads",
        ]) {
            let Reply::Failed { fault: Fault::BadJob, reason, .. } = reply else { panic!("{reply:?}") };
            assert!(reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn a_job_is_done_once_even_if_nobody_listens() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let line = line(&job("7", "SuperResK3K3(8,16,2,8,1)"));
        assert!(serve(&mut tract(), &Cores::default(), line.as_bytes(), Closed, None).is_err());
        serve(&mut tract(), &Cores::default(), line.as_bytes(), Closed, Some(Results::open(&path).unwrap()))
            .unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        let mut out = Vec::new();
        serve(
            &mut tract(),
            &Cores::default(),
            line.as_bytes(),
            &mut out,
            Some(Results::open(&path).unwrap()),
        )
        .unwrap();
        let again = replies(out);
        assert_eq!(again[1], serde_json::from_str(kept.trim()).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }
}
