//! The closed-form Zen-Score against Monte-Carlo: `cargo bench --bench closed_form [-- NETWORKS REPEATS [NAME…]]`.
//!
//! Draws fresh structures of every population, scores each with `REPEATS` draws of weights and images
//! (batch 16) and by closed form, in both modes, and prints the table of `docs/closed-form.md`. No structure was
//! used in making the closed form. With names, only populations whose names contain one of them. Last, the time that
//! the closed form takes, from super blocks on; with no repeats, nothing but that.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::plainnet::{Network, SuperBlock, cost, notation, published, relink};
use edgezen::proxy::exact::{Randomness, Settings, score};
use edgezen::proxy::zen::ZenScore;
use edgezen::proxy::{Candidate, Memory, Mode, Proxy};
use edgezen::search::variation::Mutator;
use edgezen::space;
use edgezen::space::{KindWeights, MutationReach};
use edgezen::stats;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::hint::black_box;
use std::time::Instant;

struct Population {
    name: &'static str,
    space: &'static str,
    initial: &'static str,
    side: u32,
    params: f64,
    flops: f64,
    layers: i64,
    /// Mutations behind each structure; evolved towards a high score where there are many.
    steps: usize,
    evolved: bool,
}

const CIFAR_MOBILE: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResIDWE6K3(8,32,1,8,1)SuperResIDWE6K3(32,48,2,32,1)\
                            SuperResIDWE6K3(48,96,2,48,1)SuperResIDWE6K3(96,128,2,96,1)SuperConvK1BNRELU(128,512,1,1)";

const POPULATIONS: &[Population] = &[
    Population {
        name: "CIFAR, space I, 32",
        space: "resnet",
        initial: published::INIT_CIFAR,
        side: 32,
        params: 8e6,
        flops: 4e8,
        layers: 22,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "CIFAR, space II, 32",
        space: "mobilenet",
        initial: CIFAR_MOBILE,
        side: 32,
        params: 8e6,
        flops: 2e8,
        layers: 16,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "space II down to maps of side 1, 32",
        space: "mobilenet",
        initial: published::INIT_IMAGENET_FLOPS,
        side: 32,
        params: 8e6,
        flops: 2e8,
        layers: 16,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "ImageNet, space I, 64",
        space: "resnet",
        initial: published::INIT_IMAGENET_LATENCY,
        side: 64,
        params: 6e7,
        flops: 4e8,
        layers: 22,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "ImageNet, space II, 64",
        space: "mobilenet",
        initial: published::INIT_IMAGENET_FLOPS,
        side: 64,
        params: 1e7,
        flops: 2e8,
        layers: 16,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "ImageNet, space I, 224",
        space: "resnet",
        initial: published::INIT_IMAGENET_LATENCY,
        side: 224,
        params: 6e7,
        flops: 1e9,
        layers: 16,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "evolved, CIFAR, 1 M parameters",
        space: "resnet",
        initial: published::INIT_CIFAR,
        side: 32,
        params: 1e6,
        flops: f64::INFINITY,
        layers: 18,
        steps: 40_000,
        evolved: true,
    },
    Population {
        name: "evolved, space II, 400 M FLOPs, at 64",
        space: "mobilenet",
        initial: published::INIT_IMAGENET_FLOPS,
        side: 64,
        params: f64::INFINITY,
        flops: 4e8 * 64.0 * 64.0 / (224.0 * 224.0),
        layers: 14,
        steps: 40_000,
        evolved: true,
    },
    Population {
        name: "CIFAR, space I, at 64",
        space: "resnet",
        initial: published::INIT_CIFAR,
        side: 64,
        params: 8e6,
        flops: 1.6e9,
        layers: 22,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "CIFAR, space II, at 64",
        space: "mobilenet",
        initial: CIFAR_MOBILE,
        side: 64,
        params: 8e6,
        flops: 8e8,
        layers: 16,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "CIFAR, space I, at 128",
        space: "resnet",
        initial: published::INIT_CIFAR,
        side: 128,
        params: 8e6,
        flops: 6.4e9,
        layers: 22,
        steps: 40,
        evolved: false,
    },
    Population {
        name: "evolved, CIFAR, 1 M parameters, at 64",
        space: "resnet",
        initial: published::INIT_CIFAR,
        side: 64,
        params: 1e6,
        flops: f64::INFINITY,
        layers: 18,
        steps: 40_000,
        evolved: true,
    },
];

type Structure = Vec<SuperBlock>;

impl Population {
    fn fits(&self, blocks: &[SuperBlock]) -> bool {
        let network = Network::from(blocks);
        let variant = edgezen::plainnet::Variant::BUILT;
        let Ok(cost) = cost::official(&network.blocks, i64::from(self.side), variant) else { return false };
        cost.params.0 <= self.params
            && cost.flops.0 <= self.flops
            && edgezen::plainnet::layers(blocks) <= self.layers
    }

    fn draw(&self, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Structure> {
        let mut initial = notation::parse(self.initial).unwrap().super_blocks("the bench varies").unwrap();
        relink(&mut initial);
        let space = space::by_name(self.space).unwrap();
        let mutator = Mutator { space, weights: KindWeights::Uniform, reach: MutationReach::Reference };
        if self.evolved {
            return self.evolve(count, &initial, &mutator, rng);
        }
        let mut all = Vec::new();
        while all.len() < count {
            let mut blocks = initial.clone();
            let mut child = Vec::new();
            for _ in 0..self.steps {
                mutator.mutate(&blocks, 1, rng, &mut child);
                if self.fits(&child) {
                    std::mem::swap(&mut blocks, &mut child);
                }
            }
            all.push(blocks);
        }
        all
    }

    /// The plainest evolution: of two random members the better has a child, which replaces the worst.
    fn evolve(
        &self,
        count: usize,
        initial: &[SuperBlock],
        mutator: &Mutator<'_>,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Vec<Structure> {
        let zen = ZenScore::new(Mode::Reference, self.side);
        let mut members: Vec<(f64, Structure)> = Vec::new();
        let mut child = Vec::new();
        for _ in 0..self.steps {
            match members.len() {
                0..10 => mutator.mutate(initial, 1, rng, &mut child),
                n => {
                    let [a, b] = [rng.random_range(0..n), rng.random_range(0..n)];
                    let parent = if members[a].0 > members[b].0 { a } else { b };
                    mutator.mutate(&members[parent].1, 2, rng, &mut child);
                }
            }
            if !self.fits(&child) || members.iter().any(|(_, blocks)| *blocks == child) {
                continue;
            }
            let Ok(score) = zen.score_blocks(&child) else { continue };
            members.push((score, child.clone()));
            if members.len() > 4 * count {
                let worst =
                    (0..members.len()).min_by(|&a, &b| members[a].0.total_cmp(&members[b].0)).unwrap();
                members.swap_remove(worst);
            }
        }
        members.into_iter().map(|(_, blocks)| blocks).step_by(4).take(count).collect()
    }
}

/// Closed form and draws of one mode.
#[derive(Default)]
struct Scores {
    closed: Vec<f64>,
    draws: Vec<Vec<f64>>,
}

impl Scores {
    /// τ of the closed form, and of one draw, against the mean of the other draws; without one structure.
    fn taus(&self, without: Option<usize>) -> (f64, f64) {
        let some = |values: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            values.enumerate().filter(|(i, _)| Some(*i) != without).map(|(_, x)| x).collect()
        };
        let repeats = self.draws[0].len();
        let closed = some(&mut self.closed.iter().copied());
        let (mut one, mut ours) = (Vec::new(), Vec::new());
        for held in 0..repeats {
            let single = some(&mut self.draws.iter().map(|draws| draws[held]));
            let others =
                |draws: &Vec<f64>| (draws.iter().sum::<f64>() - draws[held]) / (repeats as f64 - 1.0);
            let others = some(&mut self.draws.iter().map(others));
            one.push(stats::kendall(&single, &others).unwrap());
            ours.push(stats::kendall(&closed, &others).unwrap());
        }
        (stats::mean(&ours).unwrap(), stats::mean(&one).unwrap())
    }
}

/// Both modes' scores of independent draws.
fn draws(network: &Network, side: u32, repeats: u32, seed: u64) -> [Vec<f64>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    for repeat in 0..repeats {
        let randomness = Randomness::Seeded { seed: seed + u64::from(repeat), common: false };
        let settings = Settings { randomness, ..Settings::new(Mode::Reference, 0) };
        let exact = score::<f32>(network, side, &settings).unwrap();
        let sample = &exact.samples[0];
        both[0].push(exact.score);
        let logs = sample.bn.iter().map(|[clean, _]| 0.5 * clean.biased.ln()).sum::<f64>();
        both[1].push(sample.delta_l2.ln() + logs);
    }
    both
}

fn row(name: &str, mode: Mode, layers: (usize, usize), scores: &Scores) {
    let means: Vec<f64> = scores.draws.iter().map(|draws| stats::mean(draws).unwrap()).collect();
    let errors: Vec<f64> = scores.closed.iter().zip(&means).map(|(c, m)| c - m).collect();
    // Of one draw: unbiased variance, averaged over networks.
    let variance = |draws: &Vec<f64>| {
        let n = draws.len() as f64;
        stats::std_dev(draws).unwrap().powi(2) * n / (n - 1.0)
    };
    let noise = stats::mean(&scores.draws.iter().map(variance).collect::<Vec<f64>>()).unwrap().sqrt();
    let (ours, one) = scores.taus(None);
    // Standard error of the difference: each structure left out in turn.
    let n = scores.closed.len();
    let left_out: Vec<f64> = (0..n).map(|i| scores.taus(Some(i))).map(|(ours, one)| ours - one).collect();
    let error = stats::std_dev(&left_out).unwrap() * (n as f64 - 1.0).sqrt();
    println!(
        "| {name} | {mode} | {n} | {}–{} | {ours:.4} | {one:.4} | {:+.4} ± {error:.4} | {:+.2} | {:.2} | {:.2} |",
        layers.0,
        layers.1,
        ours - one,
        stats::mean(&errors).unwrap(),
        stats::std_dev(&errors).unwrap(),
        noise,
    );
}

/// Says on stderr where the closed form is farthest off.
fn worst(mode: Mode, structures: &[Structure], scores: &Scores) {
    let error = |i: usize| scores.closed[i] - stats::mean(&scores.draws[i]).unwrap();
    let most = (0..structures.len()).max_by(|&a, &b| error(a).abs().total_cmp(&error(b).abs()));
    if let Some(i) = most {
        let draws = &scores.draws[i];
        eprintln!("{mode}: {:+.2}, draws {draws:.1?}: {}", error(i), Network::from(&structures[i][..]));
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let names: Vec<&String> = args.iter().filter(|arg| arg.parse::<usize>().is_err()).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let count = numbers.first().copied().unwrap_or(40);
    let repeats = numbers.get(1).copied().unwrap_or(4) as u32;
    if repeats > 0 {
        header();
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(20_260);
    let mut timed: Vec<(u32, Structure)> = Vec::new();
    for population in POPULATIONS {
        let count = if population.side > 64 { (count / 4).max(4) } else { count };
        // Drawn all the same, so that the others are the same ones.
        let structures = population.draw(count, &mut rng);
        if !wanted(population.name) {
            continue;
        }
        if repeats == 0 {
            timed.extend(structures.into_iter().map(|blocks| (population.side, blocks)));
            continue;
        }
        let mut modes = [Scores::default(), Scores::default()];
        let (mut least, mut most) = (usize::MAX, 0);
        for (i, blocks) in structures.iter().enumerate() {
            let network = Network::from(&blocks[..]);
            let draws = draws(&network, population.side, repeats, 1_000 * i as u64);
            for ((mode, scores), draws) in
                [Mode::Reference, Mode::Paper].into_iter().zip(&mut modes).zip(draws)
            {
                scores.closed.push(ZenScore::new(mode, population.side).score_blocks(blocks).unwrap());
                scores.draws.push(draws);
            }
            let convs = convs(blocks);
            (least, most) = (least.min(convs), most.max(convs));
        }
        for (mode, scores) in [Mode::Reference, Mode::Paper].into_iter().zip(&modes) {
            row(population.name, mode, (least, most), scores);
            worst(mode, &structures, scores);
        }
        timed.extend(structures.into_iter().map(|blocks| (population.side, blocks)));
    }
    if names.is_empty() {
        time(&timed);
    }
}

fn header() {
    println!(
        "| population | mode | networks | BN layers | τ closed | τ one draw | difference | bias | sd of error | sd of one draw |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
}

fn convs(blocks: &[SuperBlock]) -> usize {
    let graph =
        edgezen::proxy::exact::network_graph(&Network::from(blocks), 224, edgezen::plainnet::Variant::SCORED);
    edgezen::proxy::exact::forward::weighted(&graph.unwrap()).len()
}

/// Microseconds for 100 convolutions on one core, by side: of chains of super blocks, of parsed networks, and in a
/// search, where a block or two differ from the network before. The structure is walked along in all of them. Median
/// of several rounds; other programs' time does not count.
fn time(structures: &[(u32, Structure)]) {
    println!("\n| side | super blocks | network | in a search |\n|---|---|---|---|");
    for side in [32, 64, 224] {
        let zen = ZenScore::new(Mode::Paper, side);
        let all: Vec<&Structure> = structures.iter().filter(|(s, _)| *s == side).map(|(_, b)| b).collect();
        let networks: Vec<Network> = all.iter().map(|blocks| Network::from(&blocks[..])).collect();
        let families: Vec<(usize, Vec<Structure>)> =
            all.iter().map(|blocks| children(blocks, side)).collect();
        let one = all.iter().map(|blocks| convs(blocks)).sum::<usize>();
        let bred = families.iter().map(|(convs, _)| convs).sum::<usize>();
        // Long enough for a clock that ticks every few milliseconds.
        let (times, bred_times) = (1_000_000 / one.max(1) + 1, 1_000_000 / bred.max(1) + 1);
        let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..11 {
            rounds[0].push(microseconds(times * one, || {
                for blocks in (0..times).flat_map(|_| &all) {
                    black_box(zen.score_blocks(black_box(blocks)).unwrap());
                }
            }));
            rounds[1].push(microseconds(times * one, || {
                for network in (0..times).flat_map(|_| &networks) {
                    black_box(zen.score_network(black_box(network)).unwrap());
                }
            }));
            rounds[2].push(microseconds(bred_times * bred, || {
                let (mut memory, mut rng) = (Memory::default(), Xoshiro256PlusPlus::seed_from_u64(1));
                for blocks in (0..bred_times).flat_map(|_| families.iter().flat_map(|(_, all)| all)) {
                    let candidate = Candidate { blocks, resolution: side, classes: 1000 };
                    black_box(zen.score_next(black_box(candidate), &mut memory, &mut rng).unwrap());
                }
            }));
        }
        let [blocks, network, search] = rounds.map(|rounds| stats::median(&rounds).unwrap());
        println!("| {side} | {blocks:.2} | {network:.2} | {search:.2} |");
    }
}

/// Some mutations of `blocks`, and how many convolutions they have together.
fn children(blocks: &[SuperBlock], side: u32) -> (usize, Vec<Structure>) {
    let depthwise = blocks.iter().any(|block| block.to_string().contains("IDW"));
    let space = space::by_name(if depthwise { "mobilenet" } else { "resnet" }).unwrap();
    let mutator = Mutator { space, weights: KindWeights::Uniform, reach: MutationReach::Reference };
    let zen = ZenScore::new(Mode::Paper, side);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut all = Vec::new();
    while all.len() < 20 {
        let mut child = Vec::new();
        mutator.mutate(blocks, 1, &mut rng, &mut child);
        if zen.score_blocks(&child).is_ok() {
            all.push(child);
        }
    }
    (all.iter().map(|child| convs(child)).sum(), all)
}

/// What `work` on so many convolutions takes for a hundred of them, on the core.
fn microseconds(convs: usize, work: impl FnOnce()) -> f64 {
    let (started, before) = (Instant::now(), on_core());
    work();
    let seconds = match (before, on_core()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    };
    1e8 * seconds / convs as f64
}

/// Seconds that this thread has been on a core, where the system tells.
fn on_core() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(status.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}
