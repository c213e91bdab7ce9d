//! The runner's loop: a job line in, a reply line out.

use super::protocol::{Job, Measured, Reply, VERSION};
use super::sampler::{self, SampleError};
use super::{Conditions, Monotonic, Pace, Policy};
use crate::engine::{Engine, EngineError, Loaded};
use std::io::{BufRead, Write};

/// Times `loaded` under `policy`, with the conditions before and after; probes the core's `pace` where
/// there is one.
///
/// # Errors
/// The engine's.
pub fn measure(
    loaded: &mut dyn Loaded,
    policy: &Policy,
    pace: Option<&mut Pace<'_>>,
) -> Result<Measured, SampleError<EngineError>> {
    let before = Conditions::observe();
    let timing = sampler::sample(&Monotonic::start(), policy, pace, || loaded.run_once())?;
    Ok(Measured { timing, before, after: Conditions::observe() })
}

/// Answers the jobs of `input` on `output` until the input ends.
///
/// # Errors
/// Input or output that is closed under our feet. Jobs that fail are answered, not errors.
pub fn serve(engine: &dyn Engine, input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let mut send = |reply: &Reply| -> std::io::Result<()> {
        serde_json::to_writer(&mut output, reply)?;
        output.write_all(b"\n")?;
        output.flush()
    };
    send(&Reply::Ready {
        protocol: VERSION,
        runner_version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: engine.name().to_owned(),
        engine_version: engine.version(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cores: super::conditions::affinity().unwrap_or_default(),
    })?;
    for line in input.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            send(&answer(engine, &line))?;
        }
    }
    Ok(())
}

fn answer(engine: &dyn Engine, line: &str) -> Reply {
    let job: Job = match serde_json::from_str(line) {
        Ok(job) => job,
        Err(e) => return Reply::Failed { id: None, reason: format!("not a job: {e}") },
    };
    let failed = |reason: String| Reply::Failed { id: Some(job.id), reason };
    if job.protocol != VERSION {
        return failed(format!("the job speaks protocol {}, this runner {VERSION}", job.protocol));
    }
    let graph = match job.subject.graph() {
        Ok(graph) => graph,
        Err(e) => return failed(e.to_string()),
    };
    let loaded = engine.load(&graph, job.batch, job.seed);
    match loaded
        .map_err(|e| e.to_string())
        .and_then(|mut l| measure(l.as_mut(), &job.policy, None).map_err(|e| e.to_string()))
    {
        Ok(measured) => Reply::Done { id: job.id, measured: Box::new(measured) },
        Err(reason) => failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Subject;
    use crate::engine::Tract;

    #[test]
    fn every_line_is_answered() {
        let policy = Policy { warmup_min_ns: 0, max_ns: 0, ..Policy::HOST };
        let job = |id, structure: &str| Job {
            protocol: VERSION,
            id,
            subject: Subject::Block { structure: structure.into(), resolution: 8 },
            batch: 1,
            seed: 1,
            policy,
        };
        let mut lines = String::new();
        lines += &(serde_json::to_string(&job(7, "SuperResK3K3(8,16,2,8,1)")).unwrap() + "\n");
        lines += "garbage\n\n";
        lines += &(serde_json::to_string(&job(8, "SuperResK3K3(8,16,0,8,1)")).unwrap() + "\n");
        lines += &(serde_json::to_string(&Job { protocol: 99, ..job(9, "") }).unwrap() + "\n");
        let mut out = Vec::new();
        serve(&Tract, lines.as_bytes(), &mut out).unwrap();
        let replies: Vec<Reply> =
            String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(replies.len(), 5);
        assert!(matches!(&replies[0], Reply::Ready { protocol: VERSION, .. }));
        let Reply::Done { id: 7, measured } = &replies[1] else { panic!("{:?}", replies[1]) };
        assert!(measured.timing.samples_ns.len() >= 30 && measured.timing.samples_ns[0] > 0);
        assert!(matches!(&replies[2], Reply::Failed { id: None, .. }));
        assert!(matches!(&replies[3], Reply::Failed { id: Some(8), .. }));
        assert!(matches!(&replies[4], Reply::Failed { id: Some(9), .. }));
    }
}
