//! The entropy scores of TinyNAS, MadNAS (also called MAE-DET) and DeepMAD, which are formulas over widths
//! and kernels (docs/plainnet.md, section 5.5).

use super::{Candidate, Proxy, ScoreError};
use crate::plainnet::block::smart_round;
use crate::plainnet::{Network, SuperBlock, SuperKind};
use crate::stats;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The kinds of unit, by their convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain k×k convolution.
    Conv,
    /// 1×1, k×k, 1×1.
    Bottleneck,
    /// Twice k×k.
    Basic,
    /// 1×1, k×k.
    PointThenKernel,
    /// 1×1, depthwise k×k, 1×1.
    Depthwise,
    /// The same with squeeze-excite.
    DepthwiseSe,
}

/// A unit: one plain convolution, or one residual unit.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    pub kind: Kind,
    pub in_c: u32,
    pub out_c: u32,
    /// Hidden width; unused by [`Kind::Conv`].
    pub hidden: u32,
    pub kernel: u32,
}

impl Unit {
    /// Logarithms of the widths and of the kernel area that make up the unit's entropy.
    fn logs(&self) -> (f64, f64) {
        let ln = |x: u32| f64::from(x).ln();
        let area = 2.0 * ln(self.kernel);
        match self.kind {
            Kind::Conv => (ln(self.in_c), area),
            Kind::Bottleneck => (ln(self.in_c) + 2.0 * ln(self.hidden), area),
            Kind::Basic => (ln(self.in_c) + ln(self.hidden), 2.0 * area),
            Kind::PointThenKernel | Kind::Depthwise | Kind::DepthwiseSe => {
                (ln(self.in_c) + ln(self.hidden), area)
            }
        }
    }

    /// ½ ln of the product of the fan-ins.
    pub fn entropy(&self) -> f64 {
        let (widths, kernels) = self.logs();
        0.5 * (widths + kernels)
    }

    fn convs(&self) -> u32 {
        match self.kind {
            Kind::Conv => 1,
            Kind::Basic | Kind::PointThenKernel => 2,
            Kind::Bottleneck | Kind::Depthwise | Kind::DepthwiseSe => 3,
        }
    }

    fn has_deepmad(&self) -> bool {
        !matches!(self.kind, Kind::Basic | Kind::PointThenKernel)
    }
}

/// A block of equal units; the stride is the first one's.
#[derive(Clone, Debug)]
pub struct Section {
    pub stride: u32,
    pub units: Vec<Unit>,
}

/// The network up to the end of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Number of units and of convolutions so far.
    pub units: usize,
    pub convs: u32,
    pub channels: u32,
    /// Side of the feature map.
    pub side: u32,
}

/// Stages end before each block of stride 2 except the first block, and at the end.
///
/// As released, the side is 1 after a block with squeeze-excite, which takes the resolution out of DeepMAD.
pub fn stages(sections: &[Section], resolution: u32) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut now = Stage { units: 0, convs: 0, channels: 0, side: resolution };
    for (i, section) in sections.iter().enumerate() {
        if i > 0 && section.stride == 2 {
            stages.push(now);
        }
        now.units += section.units.len();
        now.convs += section.units.iter().map(Unit::convs).sum::<u32>();
        now.channels = section.units.last().map_or(now.channels, |unit| unit.out_c);
        now.side /= section.stride;
        if section.units.iter().any(|unit| unit.kind == Kind::DepthwiseSe) {
            now.side = 1;
        }
        now.side = now.side.max(1);
    }
    stages.push(now);
    stages
}

fn cumulated(sections: &[Section], value: impl Fn(&Unit) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for unit in sections.iter().flat_map(|section| &section.units) {
        sum += value(unit);
        sums.push(sum);
    }
    sums
}

/// Σ_t ratio_t · (Σ_{i ≤ n_t} h_i + ln C_t); one ratio for each stage.
pub fn madnas(sections: &[Section], resolution: u32, ratios: &[f64]) -> Result<f64, String> {
    let stages = stages(sections, resolution);
    check(&stages, ratios)?;
    let entropy = cumulated(sections, Unit::entropy);
    let part =
        |(stage, ratio): (&Stage, &f64)| ratio * (entropy[stage.units] + f64::from(stage.channels).ln());
    Ok(stages.iter().zip(ratios).map(part).sum())
}

/// Σ_t ratio_t · (ln C_t + ln r_t²) · Σ_{i ≤ n_t} h_i, without depth penalty.
pub fn deepmad(sections: &[Section], resolution: u32, ratios: &[f64]) -> Result<f64, String> {
    let stages = stages(sections, resolution);
    check(&stages, ratios)?;
    defined(sections)?;
    let entropy = cumulated(sections, Unit::entropy);
    let ln = |x: u32| f64::from(x).ln();
    let part = |(stage, ratio): (&Stage, &f64)| {
        ratio * (ln(stage.channels) + 2.0 * ln(stage.side)) * entropy[stage.units]
    };
    Ok(stages.iter().zip(ratios).map(part).sum())
}

/// DeepMAD's effectiveness: max_t exp(ln d_t − mean of ln w over the d_t convolutions). Deep and narrow is
/// large; the released searches allow 0.3 (bottlenecks) and 0.5 (depthwise).
pub fn effectiveness(sections: &[Section], resolution: u32) -> Result<f64, String> {
    defined(sections)?;
    let widths = cumulated(sections, |unit| {
        let (widths, kernels) = unit.logs();
        widths + kernels
    });
    let of = |stage: &Stage| {
        let depth = f64::from(stage.convs);
        (depth.ln() - widths[stage.units] / depth).exp()
    };
    Ok(stages(sections, resolution).iter().map(of).fold(f64::NEG_INFINITY, f64::max))
}

/// 10 · exp(population deviation of the depths of the super blocks). For bottleneck networks the released
/// code leaves out the first two.
pub fn depth_penalty(sections: &[Section]) -> f64 {
    let is = |section: &&Section, kind| section.units.first().is_some_and(|unit| unit.kind == kind);
    let skip = if sections.iter().any(|s| is(&s, Kind::Bottleneck)) { 2 } else { 0 };
    let depths: Vec<f64> = sections
        .iter()
        .filter(|s| !is(s, Kind::Conv))
        .map(|section| section.units.len() as f64)
        .skip(skip)
        .collect();
    10.0 * stats::std_dev(&depths).unwrap_or(0.0).exp()
}

fn check(stages: &[Stage], ratios: &[f64]) -> Result<(), String> {
    if stages.len() == ratios.len() {
        return Ok(());
    }
    Err(format!("{} stages, but {} ratios", stages.len(), ratios.len()))
}

fn defined(sections: &[Section]) -> Result<(), String> {
    let all = sections.iter().flat_map(|section| &section.units).all(Unit::has_deepmad);
    if all { Ok(()) } else { Err("DeepMAD knows bottleneck and depthwise units only".into()) }
}

/// The units of a super block of a PlainNet. A sublayer of a bottleneck or inverted block is two units
/// (docs/plainnet.md, sections 2.3 and 2.4).
fn section(block: &SuperBlock) -> Section {
    let [in_c, out_c, mid] = [block.in_c, block.out_c, block.bottleneck].map(|c| c.max(1) as u32);
    let mut units = Vec::new();
    for sublayer in 0..block.sublayers.min(SuperBlock::MAX_SUBLAYERS) {
        let prev = if sublayer == 0 { in_c } else { out_c };
        let unit =
            |kind, in_c, out_c, hidden, kernel: u8| Unit { kind, in_c, out_c, hidden, kernel: kernel.into() };
        match block.kind {
            SuperKind::Conv { kernel } => units.push(unit(Kind::Conv, prev, out_c, 1, kernel)),
            SuperKind::Residual { kernel } => units.push(unit(Kind::Basic, prev, out_c, mid, kernel)),
            SuperKind::Bottleneck { kernel } => {
                units.push(unit(Kind::Bottleneck, prev, out_c, mid, kernel));
                units.push(unit(Kind::Bottleneck, out_c, out_c, mid, kernel));
            }
            SuperKind::Inverted { expansion, kernel } => {
                let hidden = |to: u32| smart_round(f64::from(to) * f64::from(expansion), 8) as u32;
                units.push(unit(Kind::Depthwise, prev, mid, hidden(mid), kernel));
                units.push(unit(Kind::Depthwise, mid, out_c, hidden(out_c), kernel));
            }
        }
    }
    Section { stride: block.stride.max(1) as u32, units }
}

fn sections(candidate: Candidate<'_>) -> Result<Vec<Section>, ScoreError> {
    crate::plainnet::shape::validate_scored(&Network::from(candidate.blocks).blocks, candidate.resolution)?;
    Ok(candidate.blocks.iter().map(section).collect())
}

/// MadNAS on the last stage, as for classification.
pub struct MadNas;

/// DeepMAD with its ratios 1, …, 1, 8.
pub struct DeepMad;

fn ratios(stages: usize, others: f64, last: f64) -> Vec<f64> {
    (1..=stages).map(|stage| if stage == stages { last } else { others }).collect()
}

impl Proxy for MadNas {
    fn name(&self) -> &'static str {
        "madnas"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let sections = sections(candidate)?;
        let stages = stages(&sections, candidate.resolution).len();
        madnas(&sections, candidate.resolution, &ratios(stages, 0.0, 1.0))
            .map_err(|reason| ScoreError::Undefined { proxy: "madnas", reason })
    }
}

impl Proxy for DeepMad {
    fn name(&self) -> &'static str {
        "deepmad"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        let sections = sections(candidate)?;
        let stages = stages(&sections, candidate.resolution).len();
        deepmad(&sections, candidate.resolution, &ratios(stages, 1.0, 8.0))
            .map_err(|reason| ScoreError::Undefined { proxy: "deepmad", reason })
    }
}
