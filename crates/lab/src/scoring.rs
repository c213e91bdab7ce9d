//! Zero-shot scores of single networks: by any proxy, on any of the engines that it has.

use edgezen_core::plainnet::{Model, Variant};
use edgezen_core::proxy::exact::estimate::{Estimator, Images};
use edgezen_core::proxy::exact::{self, ExactError, Randomness, Settings, forward};
use edgezen_core::proxy::limited::{self, Limited};
use edgezen_core::proxy::zen::ZenScore;
use edgezen_core::proxy::{Entry, Mode, Proxy, ScoreError, Setup};
use edgezen_core::stats;
use edgezen_engine::memory;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Instant;

/// How a score is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// In closed form: without weights and forward passes.
    Closed,
    /// On random weights and images.
    Exact,
    /// As [`Engine::Exact`], in libtorch, on the first GPU if there is one.
    #[cfg(feature = "torch")]
    Torch,
}

/// How networks are scored.
#[derive(Clone, Copy)]
pub struct Scoring {
    pub proxy: &'static Entry,
    pub engine: Engine,
    pub mode: Mode,
    /// Images of a forward pass; absent: the proxy's usual number.
    pub batch: Option<u32>,
    /// Draws of weights and images, at least 1; the score is their mean.
    pub repeats: u32,
    /// Standard error of the score: as many draws as it takes, in place of `repeats`. Where no batch is given, a draw may have
    /// fewer images than the batch whose score is estimated.
    pub error: Option<f64>,
    /// Every network has random numbers of its own, instead of the same ones layer by layer.
    pub independent: bool,
    /// Residual links and squeeze-excite are left in.
    pub built: bool,
    pub seed: u64,
}

/// A score with its spread over repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    pub score: f64,
    /// Population deviation over repeats; the closed form has none.
    pub std: Option<f64>,
    /// Images per forward pass; the closed form has no forward pass.
    pub batch: Option<u32>,
    /// Draws that were taken.
    pub repeats: u32,
    /// Standard error of the score, where one was asked for.
    pub error: Option<f64>,
    /// What the score may be missed by beside its error, where draws have fewer images than the batch.
    pub bias: Option<f64>,
    /// Of one score.
    pub seconds: f64,
}

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    #[error("{proxy} has no {} engine", engine.name())]
    NoEngine {
        proxy: &'static str,
        engine: Engine,
        /// One that the proxy has.
        other: Engine,
    },
    #[error("a closed form has neither images nor repeats")]
    NoImages,
    #[error("{0} is taken without residual links")]
    NoLinks(&'static str),
    #[error("there is no score without a repeat")]
    NoRepeats,
    #[error("a standard error is known of the zen proxy on the exact engine alone")]
    NoError,
    #[error("a standard error of {0}; it must be a number above zero")]
    BadError(f64),
    /// An [`ExactError::TooManyDraws`].
    #[error(transparent)]
    TooManyDraws(ExactError),
    /// The closed form does not cover the network; other engines run any network.
    #[error(transparent)]
    NoClosedForm(ScoreError),
    #[error(transparent)]
    Score(#[from] ScoreError),
}

/// The proxy whose closed form and exact score are computed here and not by [`Proxy::score_model`].
const ZEN: &str = "zen";

/// A closed form takes microseconds: this many scores are timed, after one that fills the caches.
const TIMED: u32 = 64;

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Engine::Closed => "closed",
            Engine::Exact => "exact",
            #[cfg(feature = "torch")]
            Engine::Torch => "torch",
        }
    }

    /// The engine `asked` for, or else the one that the proxy has: the closed form, if there is one. Where libtorch finds
    /// a GPU, forward passes are its work.
    ///
    /// # Errors
    /// An engine that the proxy does not have.
    pub fn choose(proxy: &Entry, asked: Option<Engine>) -> Result<Engine, ScoringError> {
        let usual = if Engine::Closed.is_of(proxy) { Engine::Closed } else { Engine::Exact };
        let engine = asked.unwrap_or(usual);
        if !engine.is_of(proxy) {
            return Err(ScoringError::NoEngine { proxy: proxy.name, engine, other: usual });
        }
        #[cfg(feature = "torch")]
        if engine == Engine::Exact && edgezen_engine::torch::zen::gpu().is_some() {
            return Ok(Engine::Torch);
        }
        Ok(engine)
    }

    fn is_of(self, proxy: &Entry) -> bool {
        match self {
            Engine::Closed => proxy.with_batch.is_none(),
            Engine::Exact => proxy.with_batch.is_some() || proxy.name == ZEN,
            #[cfg(feature = "torch")]
            Engine::Torch => proxy.with_batch.is_some() || proxy.name == ZEN,
        }
    }
}

impl Scoring {
    /// Whether the settings fit together.
    ///
    /// # Errors
    /// Images, repeats or residual links where they have no meaning.
    pub fn check(&self) -> Result<(), ScoringError> {
        let draws = self.batch.is_some() || self.repeats > 1;
        if self.engine == Engine::Closed && draws && self.proxy.name != "random" {
            return Err(ScoringError::NoImages);
        }
        if self.built && self.proxy.name != ZEN {
            return Err(ScoringError::NoLinks(self.proxy.name));
        }
        if self.repeats == 0 {
            return Err(ScoringError::NoRepeats);
        }
        if let Some(error) = self.error {
            if self.proxy.name != ZEN || self.engine != Engine::Exact {
                return Err(ScoringError::NoError);
            }
            if !(error.is_finite() && error > 0.0) {
                return Err(ScoringError::BadError(error));
            }
        }
        Ok(())
    }

    /// The score of `model`. It does not depend on the number of threads.
    ///
    /// # Errors
    /// Settings that do not fit together, and networks on which the score is not defined.
    pub fn score(&self, model: &Model) -> Result<Scored, ScoringError> {
        self.check()?;
        match (self.engine, self.proxy.name) {
            (Engine::Closed, ZEN) => self.zen_closed(model),
            (_, ZEN) => self.zen_exact(model),
            #[cfg(feature = "torch")]
            (Engine::Torch, _) => self.by_torch(model),
            _ => self.by_proxy(model),
        }
    }

    /// The parts of the network that are scored.
    fn variant(&self, model: &Model) -> Variant {
        if self.built { Variant::built(model.se) } else { Variant::SCORED }
    }

    /// The score of `model` alone, without timing it: of a closed form, a fraction of the time of [`Scoring::score`].
    ///
    /// # Errors
    /// As [`Scoring::score`].
    pub fn value(&self, model: &Model) -> Result<f64, ScoringError> {
        self.check()?;
        match (self.engine, self.proxy.name) {
            (Engine::Closed, ZEN) => self.zen_value(&ZenScore::new(self.mode, model.resolution), model),
            _ => Ok(self.score(model)?.score),
        }
    }

    fn zen_value(&self, zen: &ZenScore, model: &Model) -> Result<f64, ScoringError> {
        match zen.score_variant(&model.network, self.variant(model)) {
            Err(error @ ScoreError::Undefined { .. }) => Err(ScoringError::NoClosedForm(error)),
            score => Ok(score?),
        }
    }

    fn zen_closed(&self, model: &Model) -> Result<Scored, ScoringError> {
        let zen = ZenScore::new(self.mode, model.resolution);
        let started = Instant::now();
        let score = self.zen_value(&zen, model)?;
        let first = started.elapsed().as_secs_f64();
        // A search knows that its networks are valid, and scores their super blocks.
        let blocks = model.network.super_blocks("a search scores").ok().filter(|_| !self.built);
        let repeated = blocks.map(|blocks| {
            let started = Instant::now();
            for _ in 0..TIMED {
                let _ = std::hint::black_box(zen.score_blocks(std::hint::black_box(&blocks)));
            }
            started.elapsed().as_secs_f64() / f64::from(TIMED)
        });
        let seconds = repeated.unwrap_or(first);
        Ok(Scored { score, std: None, batch: None, repeats: 1, error: None, bias: None, seconds })
    }

    fn zen_exact(&self, model: &Model) -> Result<Scored, ScoringError> {
        let mut settings = Settings { repeats: self.repeats, ..Settings::new(self.mode, self.seed) };
        settings.batch = self.batch.unwrap_or(settings.batch);
        settings.variant = self.variant(model);
        settings.randomness = Randomness::Seeded { seed: self.seed, common: !self.independent };
        if self.engine == Engine::Exact {
            let needed =
                exact::memory(&model.network, model.resolution, &settings).map_err(ScoreError::from)?;
            limited::check(ZEN, Some(needed), memory::free())?;
        }
        if let Some(error) = self.error {
            return Self::zen_estimated(model, &settings, error, self.batch.is_none());
        }
        let started = Instant::now();
        let exact = match self.engine {
            #[cfg(feature = "torch")]
            Engine::Torch => {
                use edgezen_engine::torch::zen;
                let place = zen::gpu().unwrap_or(tch::Device::Cpu);
                zen::score::<f32>(place, &model.network, model.resolution, &settings)
            }
            Engine::Closed | Engine::Exact => {
                exact::score::<f32>(&model.network, model.resolution, &settings)
            }
        };
        let exact = exact.map_err(ScoreError::from)?;
        Ok(Scored {
            score: exact.score,
            std: Some(exact.std),
            batch: Some(settings.batch),
            repeats: self.repeats,
            error: None,
            bias: None,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// The exact score with this standard error.
    fn zen_estimated(
        model: &Model,
        settings: &Settings,
        error: f64,
        any_batch: bool,
    ) -> Result<Scored, ScoringError> {
        let started = Instant::now();
        let images = if any_batch { Images::for_error(error) } else { Images::AsSet };
        let estimator = Estimator::new(&model.network, model.resolution, settings, images);
        let mut estimator = estimator.map_err(ScoreError::from)?;
        let estimate =
            estimator.until(&mut forward::Engine::default(), error).map_err(|error| match error {
                ExactError::TooManyDraws { .. } => ScoringError::TooManyDraws(error),
                other => ScoreError::from(other).into(),
            })?;
        Ok(Scored {
            score: estimate.score,
            std: Some(estimate.std),
            batch: Some(estimate.batch),
            repeats: estimate.draws as u32,
            error: Some(estimate.error),
            bias: estimate.bias,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    fn by_proxy(&self, model: &Model) -> Result<Scored, ScoringError> {
        let started = Instant::now();
        let setup = Setup { mode: self.mode, resolution: model.resolution };
        let proxy: Box<dyn Proxy> = match (self.proxy.with_batch, self.batch) {
            (Some(make), Some(batch)) => make(setup, batch),
            _ => (self.proxy.make)(setup),
        };
        let proxy = Limited { free: memory::free(), proxy };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut scores = Vec::new();
        for _ in 0..self.repeats {
            scores.push(proxy.score_model(model, &mut rng)?);
        }
        Ok(Scored {
            score: stats::mean(&scores).ok_or(ScoringError::NoRepeats)?,
            std: self.proxy.with_batch.and(stats::std_dev(&scores)),
            batch: self.proxy.with_batch.map(|_| self.batch.or(proxy.batch()).unwrap_or(1)),
            repeats: self.repeats,
            error: None,
            bias: None,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// A proxy on random networks, in libtorch.
    #[cfg(feature = "torch")]
    fn by_torch(&self, model: &Model) -> Result<Scored, ScoringError> {
        use edgezen_core::proxy::on_graph::{Undefined, scored_graph};
        use edgezen_engine::torch::{proxies, zen};
        use rand::RngExt;
        let started = Instant::now();
        let proxy = self.proxy.name;
        let setup = Setup { mode: self.mode, resolution: model.resolution };
        let batch = self.batch.or((self.proxy.make)(setup).batch()).unwrap_or(1);
        let graph =
            scored_graph(&model.network, model.resolution, model.classes).map_err(ScoreError::from)?;
        let place = zen::gpu().unwrap_or(tch::Device::Cpu);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut scores = Vec::new();
        for _ in 0..self.repeats {
            let score = proxies::score(proxy, place, &graph, batch, rng.random())
                .ok_or(ScoringError::NoEngine { proxy, engine: Engine::Torch, other: Engine::Exact })?;
            scores.push(score.map_err(|error| match error {
                Undefined::NotFinite => ScoreError::NotFinite { proxy },
                other => ScoreError::Undefined { proxy, reason: other.to_string() },
            })?);
        }
        Ok(Scored {
            score: stats::mean(&scores).ok_or(ScoringError::NoRepeats)?,
            std: stats::std_dev(&scores),
            batch: Some(batch),
            repeats: self.repeats,
            error: None,
            bias: None,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
