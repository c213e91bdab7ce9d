//! An exact score with a known error: the mean over draws, as many as the error asks for.
//!
//! What is estimated is the mean of the score of one draw at the batch of the settings, with fresh running statistics: what
//! `repeats: 1` gives on the average. Three things make it quick (docs/decisions/155):
//!
//! * What chance contributed to a draw is taken out ([`super::luck`]). Its factor comes from the other draws, so that the mean
//!   stays where it is.
//! * Where a network is so shallow, or its maps so large, that images hardly differ, draws have two images ([`Images::Fewest`]).
//! * Draws end when the error is small enough. The interval by Student's t must be as narrow as the error asks for, so that a few
//!   draws that happen to lie close together do not end them.

use super::forward::{Blind, BnVariance, Engine, Observer};
use super::luck::Luck;
use super::{ExactError, MAX_REPEATS, Sample, Settings, Variance, network_graph, sample, source_of};
use crate::plainnet::graph::Op;
use crate::plainnet::{Graph, Network};
use crate::proxy::Mode;
use crate::proxy::zen::ZenScore;
use crate::stats;

/// Draws at least: an error from fewer is too uncertain to be of use.
pub const LEAST_DRAWS: usize = 4;
/// Images of a draw where few are enough.
const FEW: u32 = 2;
/// With few images, the score of the batch is missed by less than this, as measured on the published networks for which few
/// images are taken (docs/decisions/156).
pub const BIAS_OF_FEW: f64 = 0.1;
/// Few images are taken where the closed form foretells no greater loss than this: that few images score lower shows that images stand out
/// from their batch, and the loss is then up to four times what the closed form says.
const MOST_LOSS: f64 = 0.01;
/// … and one over the positions of a channel, summed over the BN layers, is no more than this. This sum is how much of the variance
/// lies between images where nothing but chance makes them differ; in deep networks it then grows from layer to layer.
const MOST_CHANCE: f64 = 1.3;
/// Draws from which it is foretold how many an error takes.
const FORETELLING: usize = 16;
/// How many times more draws than there may be are foretold, where it is said at once that they do not suffice: of few draws the
/// deviation is not known well.
const SURELY: f64 = 2.0;
/// The factor of the luck is what other draws say of it, and so many more that say [`USUAL`].
const DOUBT: f64 = 4.0;
/// The factor of luck: about 0.3 in networks whose images stay alike, and 0.8 to 1.4 in those for CIFAR.
const USUAL: f64 = 0.4;
/// 97.5 % quantile of the normal distribution.
const NORMAL_975: f64 = 1.96;

/// How many images a draw has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// Those of the settings.
    AsSet,
    /// Two, where the score of the settings' batch is missed by less than [`BIAS_OF_FEW`] with them.
    Fewest,
}

impl Images {
    /// Few images, where their bias is no more than the error that is asked for.
    pub fn for_error(error: f64) -> Images {
        if error >= BIAS_OF_FEW { Images::Fewest } else { Images::AsSet }
    }
}

/// What is known after some draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub score: f64,
    /// Standard error of the score.
    pub error: f64,
    /// Population deviation of the draws' scores.
    pub std: f64,
    pub draws: usize,
    /// Images of a draw.
    pub batch: u32,
    /// What the score may be missed by beside the error, because draws have few images.
    pub bias: Option<f64>,
}

impl Estimate {
    /// Whether the standard error may be taken to be at most `error`: the 95 % interval of Student is as narrow as the normal one
    /// of that error.
    pub fn is_within(&self, error: f64) -> bool {
        let t = stats::t_quantile_975(self.draws.saturating_sub(1));
        self.draws >= LEAST_DRAWS && t * self.error <= NORMAL_975 * error
    }
}

/// Why no draws reach a standard error of `error`, as far as `estimate` tells.
fn too_many(estimate: &Estimate, error: f64) -> Option<ExactError> {
    let of_one = estimate.error * (estimate.draws as f64).sqrt();
    let (takes, most) = ((of_one / error).powi(2), f64::from(MAX_REPEATS));
    let foretold = estimate.draws >= FORETELLING && takes > SURELY * most;
    (foretold || estimate.draws >= MAX_REPEATS as usize).then(|| ExactError::TooManyDraws {
        error,
        takes,
        reached: of_one / most.sqrt(),
    })
}

/// Draws scores of one network, and says what they tell.
#[derive(Debug)]
pub struct Estimator<'a> {
    network: &'a Network,
    graph: Graph,
    /// With the batch of a draw.
    settings: Settings,
    /// The batch whose score is estimated.
    batch: u32,
    bn_layers: usize,
    scores: Vec<f64>,
    /// What chance contributed to each score; zero where draws have few images, which are alike.
    luck: Vec<f64>,
}

impl<'a> Estimator<'a> {
    /// # Errors
    /// A structure that is not a usable network, an empty batch.
    pub fn new(
        network: &'a Network,
        resolution: u32,
        settings: &Settings,
        images: Images,
    ) -> Result<Estimator<'a>, ExactError> {
        settings.check_batch()?;
        let graph = network_graph(network, resolution, settings.variant)?;
        let few = images == Images::Fewest
            && settings.batch > FEW
            && chance(&graph) <= MOST_CHANCE
            && foretold(network, resolution, settings)
                .is_some_and(|gain| (-MOST_LOSS..BIAS_OF_FEW).contains(&gain));
        let batch = if few { FEW } else { settings.batch };
        Ok(Estimator {
            network,
            bn_layers: bn_shapes(&graph).count(),
            graph,
            settings: Settings { batch, ..*settings },
            batch: settings.batch,
            scores: Vec::new(),
            luck: Vec::new(),
        })
    }

    /// Draws once more, with the memory of `engine`.
    ///
    /// # Errors
    /// BN of a single value, a score that is not finite.
    pub fn draw(&mut self, engine: &mut Engine<f32>) -> Result<(), ExactError> {
        let Estimator { network, graph, settings, .. } = self;
        let source = source_of::<f32>(graph, network, settings, self.scores.len() as u32);
        let mut luck = Luck::<f32>::new(self.bn_layers);
        // Draws of few images are as few as may be, whatever is known of them.
        let observer: &mut dyn Observer<f32> =
            if settings.batch < self.batch { &mut Blind } else { &mut luck };
        let sample = sample(engine, graph, &*source, settings, observer)?;
        let score = score_at(&sample, settings, self.batch);
        if !score.is_finite() {
            return Err(ExactError::NotFinite(score));
        }
        self.scores.push(score);
        self.luck.push(luck.total());
        Ok(())
    }

    /// The scores of the draws without what chance contributed: the mean of each is that of the score.
    pub fn values(&self) -> Vec<f64> {
        without_luck(&self.scores, &self.luck)
    }

    /// The scores of the draws as they are.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// What the draws tell; of fewer than two, no error.
    pub fn estimate(&self) -> Option<Estimate> {
        let few = self.settings.batch < self.batch;
        estimate(&self.scores, &self.luck, self.settings.batch, few.then_some(BIAS_OF_FEW))
    }

    /// Draws until the standard error is at most `error`.
    ///
    /// # Errors
    /// As [`Self::draw`]; an error that takes more than [`MAX_REPEATS`] draws, as soon as a few of them tell.
    pub fn until(&mut self, engine: &mut Engine<f32>, error: f64) -> Result<Estimate, ExactError> {
        loop {
            self.draw(engine)?;
            let Some(estimate) = self.estimate() else { continue };
            if estimate.is_within(error) {
                return Ok(estimate);
            }
            if let Some(refused) = too_many(&estimate, error) {
                return Err(refused);
            }
        }
    }
}

fn estimate(scores: &[f64], luck: &[f64], batch: u32, bias: Option<f64>) -> Option<Estimate> {
    let values = without_luck(scores, luck);
    let draws = values.len();
    if draws < 2 {
        return None;
    }
    Some(Estimate {
        score: stats::mean(&values)?,
        error: stats::std_dev(&values)? / ((draws - 1) as f64).sqrt(),
        std: stats::std_dev(scores)?,
        draws,
        batch,
        bias,
    })
}

/// The scores less the luck. The factor of each draw comes from the others alone, so that it does not depend on that
/// draw's luck, and the mean of what is taken away is zero.
fn without_luck(scores: &[f64], luck: &[f64]) -> Vec<f64> {
    let n = scores.len() as f64;
    let sum: f64 = scores.iter().sum();
    let all: f64 = luck.iter().sum();
    let products: f64 = scores.iter().zip(luck).map(|(score, luck)| score * luck).sum();
    let squares: f64 = luck.iter().map(|luck| luck * luck).sum();
    let without = |(&score, &luck): (&f64, &f64)| {
        let others = n - 1.0;
        let squares = squares - luck * luck;
        if others < 2.0 || squares <= 0.0 {
            return score - USUAL * luck;
        }
        let centred = products - score * luck - (sum - score) / others * (all - luck);
        score - (centred / squares * others + USUAL * DOUBT) / (others + DOUBT) * luck
    };
    scores.iter().zip(luck).map(without).collect()
}

/// The score of a draw, with the variances that BN would have seen in `batch` images were the variance of each image the same.
/// The unbiased ones of a draw are those already.
fn score_at(sample: &Sample, settings: &Settings, batch: u32) -> f64 {
    let share = f64::from(settings.batch) / f64::from(batch);
    let of_layer = |[clean, disturbed]: &[BnVariance; 2]| match settings.variance {
        Variance::Running => 0.81 + 0.09 * clean.unbiased + 0.1 * disturbed.unbiased,
        // biased/unbiased is 1 − 1/n of the n values of a channel, which become n / share.
        Variance::Batch => clean.unbiased - (clean.unbiased - clean.biased) * share,
    };
    sample.log_delta(settings.norm) + sample.bn.iter().map(|bn| 0.5 * of_layer(bn).ln()).sum::<f64>()
}

/// By how much the running variances of few images raise the score of the settings' batch, by the closed form. `None` where it does not cover
/// the network.
fn foretold(network: &Network, resolution: u32, settings: &Settings) -> Option<f64> {
    let of = |batch| {
        let zen = ZenScore::of_batch(Mode::Reference, resolution, batch);
        zen.score_variant(network, settings.variant).ok()
    };
    Some(of(FEW)? - of(settings.batch)?)
}

/// One over the positions of a channel, summed over the BN layers.
fn chance(graph: &Graph) -> f64 {
    bn_shapes(graph).map(|positions| 1.0 / positions).sum()
}

/// Positions of a channel of each BN layer.
fn bn_shapes(graph: &Graph) -> impl Iterator<Item = f64> + '_ {
    let bn = graph.nodes.iter().filter(|node| node.op == Op::BatchNorm);
    bn.map(|node| f64::from(node.shape.h) * f64::from(node.shape.w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;
    use crate::proxy::exact::score;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Forty layers on small maps: images stand out from their batch.
    const DEEP: &str = "SuperConvK3BNRELU(3,16,1,1)SuperConvK3BNRELU(16,16,2,40)SuperConvK1BNRELU(16,16,1,1)";
    const SHALLOW: &str = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)";

    fn drawn(text: &str, mode: Mode, images: Images, draws: usize) -> (Vec<f64>, Vec<f64>, u32) {
        let network = notation::parse(text).unwrap();
        let mut estimator = Estimator::new(&network, 16, &Settings::new(mode, 5), images).unwrap();
        let mut engine = Engine::default();
        for _ in 0..draws {
            estimator.draw(&mut engine).unwrap();
        }
        (estimator.scores, estimator.luck, estimator.settings.batch)
    }

    fn mean_and_error(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        (stats::mean(values).unwrap(), stats::std_dev(values).unwrap() / (n - 1.0).sqrt())
    }

    #[test]
    fn a_draw_is_a_score_of_one_repeat() {
        let network = notation::parse(DEEP).unwrap();
        for mode in [Mode::Reference, Mode::Paper] {
            let (scores, _, batch) = drawn(DEEP, mode, Images::AsSet, 1);
            let exact = score::<f32>(&network, 16, &Settings::new(mode, 5)).unwrap();
            assert_eq!(batch, 16);
            assert!((scores[0] - exact.score).abs() < 1e-9, "{} {}", scores[0], exact.score);
        }
    }

    #[test]
    fn luck_has_the_mean_zero_and_explains_scores() {
        let (scores, luck, _) = drawn(DEEP, Mode::Reference, Images::AsSet, 120);
        let (mean, error) = mean_and_error(&luck);
        assert!(mean.abs() < 4.0 * error, "{mean} {error}");
        let values = without_luck(&scores, &luck);
        let ((plain, wide), (mean, narrow)) = (mean_and_error(&scores), mean_and_error(&values));
        assert!(narrow < 0.8 * wide, "{narrow} {wide}");
        assert!((plain - mean).abs() < 3.0 * wide, "{plain} {mean}");
    }

    #[test]
    fn few_images_estimate_the_score_of_the_batch() {
        for mode in [Mode::Reference, Mode::Paper] {
            let (few, _, two) = drawn(SHALLOW, mode, Images::Fewest, 150);
            let (all, _, sixteen) = drawn(SHALLOW, mode, Images::AsSet, 150);
            assert_eq!((two, sixteen), (2, 16));
            let ((few, a), (all, b)) = (mean_and_error(&few), mean_and_error(&all));
            assert!((few - all).abs() < BIAS_OF_FEW + 3.0 * a.hypot(b), "{few} {all} {a} {b}");
        }
        // Sixteen positions, forty-one times.
        let network = notation::parse(DEEP).unwrap();
        let settings = Settings::new(Mode::Paper, 1);
        assert_eq!(Estimator::new(&network, 8, &settings, Images::Fewest).unwrap().settings.batch, 16);
    }

    /// The networks for which two images were compared with sixteen; those of CIFAR lose 0.9 and more, which the chance of their positions
    /// alone does not tell.
    #[test]
    fn few_images_are_taken_where_they_were_found_to_be_enough() {
        for (name, images) in [
            ("resnet18", 2),
            ("resnet50", 2),
            ("mobilenet_v2", 2),
            ("zennet_imagenet1k_flops400M_SE_res224", 2),
            ("zennet_imagenet1k_latency03ms_res224", 2),
            ("zennet_imagenet1k_latency05ms_res224", 16),
            ("zennet_cifar10_model_size05M_res32", 16),
            ("zennet_cifar10_model_size1M_res32", 16),
            ("zennet_cifar10_model_size2M_res32", 16),
        ] {
            let model = crate::plainnet::published::by_name(name).unwrap();
            for mode in [Mode::Reference, Mode::Paper] {
                let settings = Settings::new(mode, 1);
                let estimator =
                    Estimator::new(&model.network, model.resolution, &settings, Images::Fewest).unwrap();
                assert_eq!(estimator.settings.batch, images, "{name}");
            }
        }
    }

    #[test]
    fn an_error_that_takes_too_many_draws_is_refused_after_a_few() {
        let network = notation::parse(SHALLOW).unwrap();
        let settings = Settings::new(Mode::Paper, 5);
        let until = |error: f64| {
            let mut estimator = Estimator::new(&network, 16, &settings, Images::AsSet).unwrap();
            (estimator.until(&mut Engine::default(), error), estimator.scores.len())
        };
        let (found, draws) = until(0.1);
        assert!(found.unwrap().error <= 0.1 && draws >= LEAST_DRAWS);
        let (refused, draws) = until(1e-9);
        let Err(ExactError::TooManyDraws { error, takes, reached }) = refused else { panic!("{refused:?}") };
        assert_eq!((error, draws), (1e-9, FORETELLING));
        // The draws that are foretold are those of an error which falls with their root.
        let most = f64::from(MAX_REPEATS);
        assert!((takes * error * error / (most * reached * reached) - 1.0).abs() < 1e-9, "{takes} {reached}");
        let one = Estimate { score: 1.0, error: 0.1, std: 0.4, draws: 16, batch: 16, bias: None };
        assert!(too_many(&one, 0.4 / (1.9 * most).sqrt()).is_none(), "few draws do not tell this well");
        let last = Estimate { draws: MAX_REPEATS as usize, ..one };
        assert!(too_many(&last, 0.09).is_some());
    }

    /// Stopping by the running error does not move the mean, and makes the error larger than asked for by a fifth at most, for
    /// symmetric draws and for skewed ones, from few draws to many.
    #[test]
    fn stopping_early_keeps_the_mean_and_the_error() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut normal = || {
            let (a, b): (f64, f64) = (rng.random::<f64>().max(1e-300), rng.random());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        for skewed in [false, true] {
            for deviation in [0.1, 0.3, 0.8] {
                let errors: Vec<f64> = (0..1_500)
                    .map(|_| {
                        let (mut scores, mut lucks) = (Vec::new(), Vec::new());
                        loop {
                            let (luck, other) = (normal(), normal());
                            // A skewness of 0.6, that of CIFAR 1M.
                            let other =
                                if skewed { (other + 0.1 * (other * other - 1.0)) / 1.01 } else { other };
                            scores.push(deviation * (0.7 * luck + 0.7 * other));
                            lucks.push(luck);
                            match estimate(&scores, &lucks, 16, None) {
                                Some(estimate) if estimate.is_within(0.1) => break estimate.score,
                                _ => {}
                            }
                        }
                    })
                    .collect();
                let (mean, error) = mean_and_error(&errors);
                let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
                assert!(mean.abs() < 0.02 + 3.0 * error, "{skewed} {deviation}: {mean} {error}");
                assert!(rms < 0.12, "{skewed} {deviation}: {rms}");
            }
        }
    }
}
