//! How a plan is drawn.
//!
//! Random networks of the space are drawn; some are measured as they are, some of their blocks, and
//! kernels that cover what the networks use. To these come dense convolutions of the sizes that
//! ResNets and MobileNets are made of, and the activations of MobileNetV3 and EfficientNet, so that
//! predictions do not end at the border of the space.

use super::choose::{Judged, Point, approach, choose, position};
use super::{FORMAT, MAX_SAMPLES, MIN_SAMPLES, Plan, PlanError};
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::block::smart_round;
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::{
    Kernel, KernelKind, Model, Network, Shape, SuperBlock, Variant, layers, notation, published, relink,
    shape,
};
use edgezen_core::random::shuffle;
use edgezen_core::space::{KindWeights, MutationReach, NetworkRange, SearchSpace, candidates};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::{FxHashMap, FxHashSet};

impl Plan {
    /// A plan of `samples` configurations for `spaces`, for `batch` images per run of a runtime that works like
    /// `lowering`. The seed fixes it.
    ///
    /// # Errors
    /// A number of samples that makes no sense, or that the space cannot fill.
    pub fn draw(
        spaces: &[&dyn SearchSpace],
        samples: usize,
        batch: u32,
        lowering: Lowering,
        seed: u64,
    ) -> Result<Plan, PlanError> {
        if !(MIN_SAMPLES..=MAX_SAMPLES).contains(&samples) {
            return Err(PlanError::Samples(samples));
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        // A tenth whole networks, a twelfth blocks, a fifth dense anchors, a twentieth slow activations; all only as many
        // as help.
        let wanted = Wanted {
            networks: (samples / 10).clamp(2, 24),
            blocks: (samples / 12).clamp(2, 24),
            anchors: (samples / 5).clamp(2, 60),
            activations: (samples / 20).min(8),
        };
        let pool = Pool::draw(spaces, wanted.networks, &mut rng);
        let mut subjects = Subjects::default();
        for (i, model) in pool.models.iter().take(wanted.networks).enumerate() {
            // What squeeze-excite costs inside a network is seen in networks alone.
            let model = Model { se: i % SE_EVERY == SE_EVERY - 1, ..model.clone() };
            subjects.add(Subject::network(&model, batch));
        }
        for subject in pool.blocks(wanted.blocks, &mut rng) {
            subjects.add(subject);
        }
        for kernel in anchors(wanted.anchors, &mut rng) {
            let kernel = match lowering.fusion() {
                Some(fusion) => Kernel { residual: kernel.residual && fusion.sums, ..kernel },
                None => Kernel { act: Act::None, residual: false, ..kernel },
            };
            subjects.add(Subject::Kernel(kernel.with_batch(batch)));
        }
        for kernel in activations(lowering, &mut rng).into_iter().take(wanted.activations) {
            subjects.add(Subject::Kernel(kernel.with_batch(batch)));
        }
        for kernel in pool.kernels(lowering, &mut rng) {
            if subjects.list.len() >= samples {
                break;
            }
            subjects.add(Subject::Kernel(kernel.with_batch(batch)));
        }
        let found = subjects.list.len();
        if found < samples {
            return Err(PlanError::TooFew { found, asked: samples });
        }
        Ok(Plan { version: FORMAT.newest, subjects: subjects.list })
    }

    /// A plan of `samples` further kernels of `spaces`, where `measured` leave the most open: far from all of
    /// them, and near those of which a predictor knows least. The seed fixes it.
    ///
    /// # Errors
    /// As [`Plan::draw`].
    pub fn refine(
        spaces: &[&dyn SearchSpace],
        samples: usize,
        batch: u32,
        lowering: Lowering,
        seed: u64,
        measured: &[Judged],
    ) -> Result<Plan, PlanError> {
        if !(MIN_SAMPLES..=MAX_SAMPLES).contains(&samples) {
            return Err(PlanError::Samples(samples));
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let known: FxHashSet<Kernel> = measured.iter().map(|one| one.kernel).collect();
        let mut pool: Vec<Kernel> = Pool::draw(spaces, REFINE_NETWORKS, &mut rng)
            .by_kind(lowering)
            .into_iter()
            .flat_map(|(_, kernels)| kernels)
            .map(|kernel| kernel.with_batch(batch))
            .filter(|kernel| !known.contains(kernel))
            .collect();
        shuffle(&mut pool, &mut rng);
        pool.truncate(MAX_POOL);
        if pool.len() < samples {
            return Err(PlanError::TooFew { found: pool.len(), asked: samples });
        }
        let chosen = choose(&pool, measured, samples);
        Ok(Plan {
            version: FORMAT.newest,
            subjects: chosen.into_iter().map(|i| Subject::Kernel(pool[i])).collect(),
        })
    }
}

/// Networks whose kernels are refined among, for each of a space's ranges: eight times as many.
const REFINE_NETWORKS: usize = 24;
/// More kernels than this are not compared.
const MAX_POOL: usize = 20_000;

struct Wanted {
    networks: usize,
    blocks: usize,
    anchors: usize,
    activations: usize,
}

/// One in so many of the whole networks has squeeze-excite.
const SE_EVERY: usize = 4;

/// Subjects in order, each once.
#[derive(Default)]
struct Subjects {
    list: Vec<Subject>,
    seen: FxHashSet<String>,
}

impl Subjects {
    fn add(&mut self, subject: Subject) {
        if self.seen.insert(format!("{subject:?}")) {
            self.list.push(subject);
        }
    }
}

/// Random networks, the best spread ones first.
struct Pool {
    models: Vec<Model>,
}

impl Pool {
    fn draw(spaces: &[&dyn SearchSpace], networks: usize, rng: &mut Xoshiro256PlusPlus) -> Pool {
        // Many more than are measured: their kernels are what is covered.
        let per_range = 8 * networks.max(8);
        let mut lists: Vec<Vec<Model>> = Vec::new();
        for &space in spaces {
            for range in space.profiled() {
                lists.push(random_networks(space, &range, per_range, rng));
            }
        }
        // A plan for one space still holds a few networks of the other: whatever is predicted later
        // (ResNets with a predictor for mobile networks) needs a network-level correction too.
        let mut foreign = Vec::new();
        for &space in edgezen_core::space::registry() {
            if spaces.iter().all(|s| s.name() != space.name())
                && let Some(range) = space.profiled().into_iter().next()
            {
                foreign.extend(random_networks(space, &range, (networks / 6).max(1), rng));
            }
        }
        let mut models = Vec::new();
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        for i in 0..longest {
            models.extend(lists.iter().filter_map(|list| list.get(i)).cloned());
        }
        let own = networks.saturating_sub(foreign.len()).max(1).min(models.len());
        models.splice(own..own, foreign);
        Pool { models }
    }

    /// Super blocks with the resolution they have in their network.
    fn blocks(&self, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Subject> {
        let mut all = Vec::new();
        for model in &self.models {
            let mut at = Shape::square(3, model.resolution);
            for block in &model.network.blocks {
                let Ok(out) = shape::block_output(block, at, Variant::BUILT) else { break };
                let is_conv =
                    matches!(block, edgezen_core::plainnet::Block::Super(block) if block.kind.is_conv());
                if !is_conv {
                    all.push(Subject::Block { structure: block.to_string(), resolution: at.h });
                }
                at = out;
            }
        }
        (0..count.min(all.len())).map(|_| all.swap_remove(rng.random_range(0..all.len()))).collect()
    }

    /// Kernels that the networks use, each once.
    fn by_kind(&self, lowering: Lowering) -> Vec<(KernelKind, Vec<Kernel>)> {
        let mut by_kind: FxHashMap<KernelKind, Vec<Kernel>> = FxHashMap::default();
        let mut seen = FxHashSet::default();
        for (i, model) in self.models.iter().enumerate() {
            // Every other network with squeeze-excite: its kernels belong to the space.
            let model = Model { se: i % 2 == 1, ..model.clone() };
            for kernel in model.lowered(lowering).unwrap_or_default() {
                if seen.insert(kernel) {
                    by_kind.entry(kernel.kind).or_default().push(kernel);
                }
            }
        }
        KernelKind::ALL.into_iter().filter_map(|kind| Some((kind, by_kind.remove(&kind)?))).collect()
    }

    /// Kernels that the networks use, in the order in which they should be measured: the kinds take
    /// turns by their weights; within a kind the one farthest from all chosen ones alternates with a
    /// random one, so that both the borders and the bulk of the space are covered.
    fn kernels(&self, lowering: Lowering, rng: &mut Xoshiro256PlusPlus) -> Vec<Kernel> {
        let spread = |(kind, kernels)| (weight(kind, lowering), spread(kernels, rng));
        let queues: Vec<(f64, Vec<Kernel>)> = self.by_kind(lowering).into_iter().map(spread).collect();
        // The kind that lies furthest behind its weight comes next.
        let mut taken = vec![0.0_f64; queues.len()];
        let mut out = Vec::new();
        loop {
            let behind = |i: &usize| (taken[*i] + 1.0) / queues[*i].0;
            let next = (0..queues.len())
                .filter(|&i| (taken[i] as usize) < queues[i].1.len())
                .min_by(|a, b| behind(a).total_cmp(&behind(b)));
            let Some(i) = next else { return out };
            out.push(queues[i].1[taken[i] as usize]);
            taken[i] += 1.0;
        }
    }
}

/// How many kernels of a kind are worth measuring, relative to the others.
fn weight(kind: KernelKind, lowering: Lowering) -> f64 {
    match kind {
        // Normalisation and activation of every convolution.
        KernelKind::Act if lowering.fusion().is_none() => 5.0,
        KernelKind::Add if lowering.fusion().is_none_or(|fusion| !fusion.sums) => 1.5,
        KernelKind::Conv => 8.0,
        KernelKind::Dwconv => 5.0,
        KernelKind::Linear | KernelKind::Pool | KernelKind::Scale => 1.0,
        KernelKind::Maxpool | KernelKind::Add | KernelKind::Act | KernelKind::Concat => 0.7,
    }
}

/// `kernels` reordered: farthest point first, alternating with random ones. At most 2,000: more are
/// never measured.
fn spread(mut kernels: Vec<Kernel>, rng: &mut Xoshiro256PlusPlus) -> Vec<Kernel> {
    shuffle(&mut kernels, rng);
    kernels.truncate(2_000);
    let points: Vec<Point> = kernels.iter().map(position).collect();
    let mut distance = vec![f64::INFINITY; kernels.len()];
    let mut out = Vec::with_capacity(kernels.len());
    for turn in 0..kernels.len() {
        let farthest = turn % 2 == 1;
        let candidates = (0..kernels.len()).filter(|&i| distance[i] >= 0.0);
        let chosen = if farthest {
            candidates.max_by(|&a, &b| distance[a].total_cmp(&distance[b]))
        } else {
            // They were shuffled: the first is a random one.
            candidates.into_iter().next()
        };
        let Some(chosen) = chosen else { break };
        out.push(kernels[chosen]);
        approach(&mut distance, &points, &points[chosen]);
        // Chosen ones are out.
        distance[chosen] = f64::NEG_INFINITY;
    }
    out
}

/// Networks of `space` within `range`, no two alike; sorted so that any first part of the list is
/// spread evenly over the logarithm of the MACs.
fn random_networks(
    space: &dyn SearchSpace,
    range: &NetworkRange,
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<Model> {
    let Ok(network) = notation::parse(range.start) else { return Vec::new() };
    let Ok(mut start) = network.super_blocks("plans are made of") else { return Vec::new() };
    relink(&mut start);
    let forbidden: FxHashSet<String> =
        published::names().filter_map(published::by_name).map(|m| m.network.to_string()).collect();
    let mut seen = FxHashSet::default();
    let mut found: Vec<(f64, Model)> = Vec::new();
    for _ in 0..count * 200 {
        if found.len() == count {
            break;
        }
        let blocks = random_walk(space, &start, range, rng);
        let network = Network::from(&blocks[..]);
        let name = network.to_string();
        if layers(&blocks) > range.max_layers || forbidden.contains(&name) {
            continue;
        }
        let model =
            Model { name: None, network, resolution: range.resolution, classes: range.classes, se: false };
        let Ok(cost) = model.exact(Variant::BUILT) else { continue };
        let macs = cost.macs() as f64;
        if model.validate().is_ok() && (range.macs.0..=range.macs.1).contains(&macs) && seen.insert(name) {
            found.push((macs, model));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    stratified(found, range.macs)
}

/// Takes the network nearest to each of a low-discrepancy sequence of log-MACs.
fn stratified(mut sorted: Vec<(f64, Model)>, macs: (f64, f64)) -> Vec<Model> {
    let (low, high) = (macs.0.ln(), macs.1.ln());
    let mut out = Vec::with_capacity(sorted.len());
    let mut at = 0.5_f64;
    while !sorted.is_empty() {
        let target = low + (high - low) * at;
        at = (at + 0.618_033_988_749_895).fract();
        let nearest = (0..sorted.len())
            .min_by(|&a, &b| (sorted[a].0.ln() - target).abs().total_cmp(&(sorted[b].0.ln() - target).abs()));
        let Some(nearest) = nearest else { break };
        out.push(sorted.remove(nearest).1);
    }
    out
}

/// Mutates random positions of `start`, and splits deep blocks now and then as the search does.
fn random_walk(
    space: &dyn SearchSpace,
    start: &[SuperBlock],
    range: &NetworkRange,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<SuperBlock> {
    let mut blocks = start.to_vec();
    let steps = rng.random_range(4..40);
    for _ in 0..steps {
        let at = rng.random_range(0..blocks.len());
        let old = blocks[at];
        blocks[at] = candidates(space, old, KindWeights::Uniform, MutationReach::Reference).draw(rng);
        if layers(&blocks) > range.max_layers {
            blocks[at] = old;
        }
        if rng.random_range(0..4) == 0 {
            blocks = edgezen_core::plainnet::split(&blocks, 4);
        }
        relink(&mut blocks);
    }
    blocks
}

/// Dense convolutions and pools over the sizes of ResNets and MobileNets, their widths shifted at
/// random so that no published network is reproduced; the most useful first.
fn anchors(count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Kernel> {
    let mut out = Vec::new();
    while out.len() < count {
        let before = out.len();
        for &(kernel, stride, in_c, out_c, side, residual) in DENSE {
            let mut near = |c: i32| {
                let factor = 2_f64.powf(rng.random_range(-0.35..0.35));
                if c <= 3 { c } else { smart_round(f64::from(c) * factor, 8) }
            };
            let (wide, narrow) = (near(out_c), near(in_c));
            let in_c = if in_c == out_c { wide } else { narrow };
            out.push(Kernel {
                kind: KernelKind::Conv,
                batch: 1,
                in_c: in_c.unsigned_abs(),
                out_c: wide.unsigned_abs(),
                in_h: side,
                in_w: side,
                kernel,
                stride,
                groups: 1,
                act: Act::Relu,
                residual,
                window: None,
            });
        }
        for (channels, side) in [(64, 112), (96, 56), (32, 112)] {
            let channels = smart_round(f64::from(channels) * rng.random_range(0.8..1.25), 8).unsigned_abs();
            out.push(Kernel {
                kind: KernelKind::Maxpool,
                batch: 1,
                in_c: channels,
                out_c: channels,
                in_h: side,
                in_w: side,
                kernel: 3,
                stride: 2,
                groups: 1,
                act: Act::None,
                residual: false,
                window: None,
            });
        }
        for in_c in [512, 2048] {
            let in_c = smart_round(f64::from(in_c) * rng.random_range(0.75..1.3), 8).unsigned_abs();
            out.push(Kernel {
                kind: KernelKind::Linear,
                batch: 1,
                in_c,
                out_c: 1000,
                in_h: 1,
                in_w: 1,
                kernel: 1,
                stride: 1,
                groups: 1,
                act: Act::None,
                residual: false,
                window: None,
            });
        }
        if out.len() == before {
            break;
        }
    }
    // Fewer than one round: spread over the list rather than its head only.
    if count < out.len() {
        let step = out.len() as f64 / count as f64;
        return (0..count).map(|i| out[(i as f64 * step) as usize]).collect();
    }
    out
}

/// Slow activations over maps of the sizes that MobileNetV3 and EfficientNet have, the most useful first: inside a convolution
/// where `lowering` runs them there, else by themselves. The spaces have such activations on maps of a single pixel only, whose
/// price says nothing of larger ones. None where every operation is a kernel: those of the space are measured then.
fn activations(lowering: Lowering, rng: &mut Xoshiro256PlusPlus) -> Vec<Kernel> {
    let Some(fusion) = lowering.fusion() else { return Vec::new() };
    let mut out = Vec::new();
    for (channels, side) in [(72, 56), (240, 14), (16, 112), (960, 7)] {
        for act in [Act::HardSwish, Act::Swish] {
            let channels = smart_round(f64::from(channels) * rng.random_range(0.75..1.3), 8).unsigned_abs();
            let alone = Kernel {
                kind: KernelKind::Act,
                batch: 1,
                in_c: channels,
                out_c: channels,
                in_h: side,
                in_w: side,
                kernel: 1,
                stride: 1,
                groups: 1,
                act,
                residual: false,
                window: None,
            };
            if fusion.fuses(act, false) {
                let in_c = smart_round(f64::from(channels) / 3.0, 8).unsigned_abs();
                out.push(Kernel { kind: KernelKind::Conv, in_c, ..alone });
                out.push(Kernel { kind: KernelKind::Dwconv, kernel: 3, groups: channels, ..alone });
            } else {
                out.push(alone);
            }
        }
    }
    out
}

/// Kernel, stride, channels in and out, side of the input, residual.
const DENSE: &[(u32, u32, i32, i32, u32, bool)] = &[
    (7, 2, 3, 64, 224, false),
    (3, 2, 3, 32, 224, false),
    (3, 1, 64, 64, 56, false),
    (3, 1, 64, 64, 56, true),
    (3, 2, 64, 128, 56, false),
    (3, 1, 128, 128, 28, false),
    (3, 1, 128, 128, 28, true),
    (3, 2, 128, 128, 56, false),
    (3, 2, 128, 256, 28, false),
    (3, 1, 256, 256, 14, false),
    (3, 1, 256, 256, 14, true),
    (3, 2, 256, 512, 14, false),
    (3, 1, 512, 512, 7, false),
    (3, 1, 512, 512, 7, true),
    (3, 2, 512, 512, 14, false),
    (1, 1, 64, 256, 56, true),
    (1, 1, 256, 64, 56, false),
    (1, 2, 256, 512, 56, false),
    (1, 1, 512, 128, 28, false),
    (1, 1, 128, 512, 28, true),
    (1, 2, 512, 1024, 28, false),
    (1, 1, 1024, 256, 14, false),
    (1, 1, 256, 1024, 14, true),
    (1, 2, 1024, 2048, 14, false),
    (1, 1, 2048, 512, 7, false),
    (1, 1, 512, 2048, 7, true),
    (1, 1, 32, 16, 112, false),
    (1, 1, 16, 96, 112, false),
    (1, 1, 144, 24, 56, true),
    (1, 1, 320, 1280, 7, false),
];
