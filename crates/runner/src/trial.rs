//! One measurement of a network in a runtime: it is loaded, compared with tract, and timed.

use super::protocol::{Measured, Outputs};
use super::sampler::{self, SampleError};
use super::{
    Clock, Conditions, Metered, Monotonic, Pace, Policy, caches, conditions, energy, process, spread,
};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::repeated::Repeated;
use edgezen_engine::agreement::{self, Tolerance};
use edgezen_engine::{Engine, EngineError, Loaded, Tract};
use std::path::Path;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub enum Network<'a> {
    Graph(&'a Graph),
    /// A file that the runtime runs as it is.
    File(&'a Path),
}

/// A network in a runtime, and how it is timed.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub engine: &'a dyn Engine,
    pub network: Network<'a>,
    /// What the network is, where it is a subject of measurements.
    pub subject: Option<&'a Subject>,
    /// Images per run.
    pub batch: u32,
    /// The seed of weights and inputs.
    pub seed: u64,
    /// The precision that the runtime was opened with.
    pub precision: &'a str,
    pub policy: &'a Policy,
    /// Whether the runtime's outputs are compared with tract's before anything is timed. Files are compared with nothing.
    pub compare: bool,
    /// Cores for the threads of the runtime, one for each; where there are not several, all threads stay where they are.
    pub cores: &'a [u32],
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The network cannot be loaded, or the runtime computes something else than tract does.
    #[error(transparent)]
    Load(EngineError),
    #[error(transparent)]
    Run(#[from] SampleError<EngineError>),
}

/// Times `loaded` under `policy`, with the conditions before and after; probes the core's `pace` where
/// there is one.
///
/// # Errors
/// The engine's, and the clock's.
pub fn measure(
    loaded: &mut dyn Loaded,
    policy: &Policy,
    pace: Option<&mut Pace<'_>>,
) -> Result<Measured, SampleError<EngineError>> {
    let before = Conditions::observe();
    let timing = sampler::sample(&Monotonic::start(), policy, pace, || loaded.run_once())?;
    let after = Conditions::observe();
    Ok(Measured { timing, before, after, load_ns: None, peak_bytes: None, outputs: None, energy: None })
}

/// The work repeated, where the runtime needs that to show what it takes inside a network.
pub fn repeated(subject: &Subject, graph: &Graph, repeats_kernels: bool) -> Option<Repeated> {
    match subject {
        Subject::Kernel(kernel) if repeats_kernels => Repeated::kernel(kernel),
        Subject::Block { .. } if repeats_kernels => Repeated::graph(graph),
        _ => None,
    }
}

impl Trial<'_> {
    /// Loads the network, compares it, and times it; probes the core's `pace` where there is one.
    ///
    /// # Errors
    /// A network that cannot be loaded or run, or of which the runtime computes something else than tract does.
    pub fn measure(&self, mut pace: Option<&mut Pace<'_>>) -> Result<Measured, TrialError> {
        if let (Network::Graph(graph), true) = (self.network, self.compare && !self.is_tract()) {
            // A network of its own is compared, so that the first run of the one that is timed stays the first.
            let tolerance = Tolerance::of(self.precision);
            let mut loaded = self.load()?;
            agreement::check(self.engine, loaded.as_mut(), graph, (self.batch, self.seed), tolerance)
                .map_err(TrialError::Load)?;
        }
        if let Some(measured) = self.difference(pace.as_deref_mut())? {
            return Ok(measured);
        }
        process::forget_peak();
        let before = process::resident();
        let threads = conditions::threads();
        let clock = Monotonic::start();
        let mut loaded = self.load()?;
        let load_ns = Some(clock.now_ns());
        spread::spread(self.cores, &threads);
        let measured = measure(loaded.as_mut(), self.policy, pace);
        let peak = before.zip(process::resident());
        let besides = if self.policy.cold_caches { caches::bytes() as u64 } else { 0 };
        let peak_bytes =
            peak.map(|(before, after)| after.peak_bytes.saturating_sub(before.now_bytes + besides));
        let energy = match (self.policy.energy_ns, &measured) {
            (Some(ns), Ok(_)) if self.is_network() => Some(self.energy(loaded.as_mut(), ns)),
            _ => None,
        };
        // The threads of the runtime end before the next network starts others.
        drop(loaded);
        spread::gather(self.cores);
        let (measured, energy) = (measured?, energy.transpose()?);
        Ok(Measured { load_ns, peak_bytes, outputs: Some(self.outputs()), energy, ..measured })
    }

    /// Whether it is a whole network, and no kernel or block, of which a run has too little energy of its own.
    fn is_network(&self) -> bool {
        matches!(self.subject, None | Some(Subject::Network { .. } | Subject::Encoded { .. }))
    }

    /// Reads the energy of `loaded`, which is run for about `busy_ns`.
    fn energy(&self, loaded: &mut dyn Loaded, busy_ns: u64) -> Result<Metered, TrialError> {
        let read = energy::measure(Path::new("/"), &Monotonic::start(), busy_ns, || loaded.run_once());
        read.map_err(|error| TrialError::Run(SampleError::Run(error)))
    }

    /// What is known of the outputs. Those of a graph were compared, in this measurement or an earlier one.
    fn outputs(&self) -> Outputs {
        match self.network {
            _ if self.is_tract() => Outputs::Reference,
            Network::Graph(_) => Outputs::Compared,
            Network::File(_) => Outputs::Unchecked,
        }
    }

    fn is_tract(&self) -> bool {
        self.engine.name() == Tract.name()
    }

    fn load(&self) -> Result<Box<dyn Loaded>, TrialError> {
        let loaded = match self.network {
            Network::Graph(graph) => self.engine.load(graph, self.batch, self.seed),
            Network::File(path) => self.engine.load_file(path, self.batch, self.seed),
        };
        loaded.map_err(TrialError::Load)
    }

    /// Times a long and a short graph of the work, where it is repeated; what the long one holds more often takes the
    /// difference. `None` where it is not repeated, or where the difference is too small to be seen.
    fn difference(&self, mut pace: Option<&mut Pace<'_>>) -> Result<Option<Measured>, TrialError> {
        let (Some(subject), Network::Graph(graph)) = (self.subject, self.network) else { return Ok(None) };
        let Some(repeated) = repeated(subject, graph, self.engine.repeats_kernels()) else { return Ok(None) };
        let policy = self.policy.split(2);
        let mut of = |graph: &Graph| -> Result<Measured, TrialError> {
            let threads = conditions::threads();
            let loaded = self.engine.load(graph, self.batch, self.seed);
            let mut loaded = loaded.map_err(|error| TrialError::Run(SampleError::Run(error)))?;
            spread::spread(self.cores, &threads);
            let measured = measure(loaded.as_mut(), &policy, pace.as_deref_mut());
            drop(loaded);
            spread::gather(self.cores);
            Ok(measured?)
        };
        let short = of(&repeated.short)?;
        let long = of(&repeated.long)?;
        let timing = long.timing.clone().repeated(&short.timing, repeated.times);
        Ok(timing.map(|timing| Measured {
            timing,
            before: short.before,
            outputs: Some(self.outputs()),
            ..long
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{KernelKind, Model, published};
    use edgezen_engine::Tensor;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// tract under another name, whose outputs are multiplied by a factor.
    struct Other {
        factor: f32,
        loads: AtomicU32,
    }

    struct Scaled(Box<dyn Loaded>, f32);

    impl Engine for Other {
        fn name(&self) -> &'static str {
            "other"
        }

        fn version(&self) -> String {
            "1".into()
        }

        fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
            self.loads.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Scaled(Tract.load(graph, batch, seed)?, self.factor)))
        }

        fn repeats_kernels(&self) -> bool {
            true
        }
    }

    impl Loaded for Scaled {
        fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
            let mut outputs = self.0.run(inputs)?;
            outputs.iter_mut().flat_map(|tensor| &mut tensor.data).for_each(|value| *value *= self.1);
            Ok(outputs)
        }

        fn run_once(&mut self) -> Result<f64, EngineError> {
            self.0.run_once()
        }
    }

    const POLICY: Policy =
        Policy { warmup_min_ns: 0, warmup_max_ns: 0, max_ns: 0, min_runs: 8, patience_ns: 0, ..Policy::HOST };

    fn network() -> (Subject, Graph) {
        let model: Model = published::by_name("zennet_cifar10_model_size05M_res32").unwrap();
        (Subject::network(&model, 1), model.graph().unwrap())
    }

    fn trial<'a>(engine: &'a Other, subject: &'a Subject, graph: &'a Graph, compare: bool) -> Trial<'a> {
        Trial {
            engine,
            network: Network::Graph(graph),
            subject: Some(subject),
            batch: 1,
            seed: 1,
            precision: "fp32",
            policy: &POLICY,
            compare,
            cores: &[],
        }
    }

    #[test]
    fn what_computes_something_else_is_not_timed() {
        let (subject, graph) = network();
        let wrong = Other { factor: 1.1, loads: AtomicU32::new(0) };
        let error = trial(&wrong, &subject, &graph, true).measure(None).unwrap_err();
        assert!(matches!(error, TrialError::Load(EngineError::Disagrees { .. })), "{error}");
        assert_eq!(wrong.loads.load(Ordering::Relaxed), 1);
        // It was compared earlier, as far as this trial knows.
        assert!(trial(&wrong, &subject, &graph, false).measure(None).is_ok());
    }

    #[test]
    fn a_network_is_loaded_to_be_compared_and_to_be_timed() {
        let (subject, graph) = network();
        let right = Other { factor: 1.0, loads: AtomicU32::new(0) };
        let measured = trial(&right, &subject, &graph, true).measure(None).unwrap();
        assert_eq!(right.loads.load(Ordering::Relaxed), 2);
        assert!(measured.timing.samples_ns.len() >= 8 && measured.load_ns.is_some());
        assert_eq!(measured.outputs, Some(Outputs::Compared));
    }

    #[test]
    fn kernels_are_repeated_where_the_runtime_asks_for_it() {
        let (_, graph) = network();
        let kernels = edgezen_core::plainnet::lowering::fused(&graph);
        let kernel = *kernels.iter().find(|kernel| kernel.kind == KernelKind::Conv).unwrap();
        let (subject, graph) = (Subject::Kernel(kernel), kernel.graph());
        let right = Other { factor: 1.0, loads: AtomicU32::new(0) };
        let measured = trial(&right, &subject, &graph, false).measure(None).unwrap();
        let long = repeated(&subject, &graph, true).unwrap().times.0;
        // Each of two graphs is timed for half of the runs; the difference may drown in noise, and the kernel is then timed alone.
        if right.loads.load(Ordering::Relaxed) == 2 {
            assert!(measured.timing.k.is_multiple_of(long) && measured.timing.samples_ns.len() >= 4);
        } else {
            assert_eq!(right.loads.load(Ordering::Relaxed), 3);
        }
        assert!(repeated(&subject, &graph, false).is_none());
    }
}
