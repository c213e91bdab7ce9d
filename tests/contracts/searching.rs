//! The evolutionary search: budgets hold, threads do not matter, the published set-ups are beaten.

use edgezen::measurement::Identity;
use edgezen::plainnet::{Kernel, Model, Network, Variant, notation, published, relink};
use edgezen::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
use edgezen::proxy;
use edgezen::proxy::zen::ZenScore;
use edgezen::proxy::{Mode, Proxy, Setup};
use edgezen::search::{
    Checkpoint, Individual, Instruction, Observer, Quantity, Rules, Search, SearchError, SearchOutcome,
    SearchProgress, TrackedDevice, preset,
};
use edgezen::space;
use edgezen::units::Latency;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Remembers what it was told.
#[derive(Default)]
struct Watcher {
    seen: Mutex<Vec<SearchProgress>>,
}

impl Observer for Watcher {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn progress(&self, progress: SearchProgress) {
        self.seen.lock().unwrap().push(progress);
    }
}

/// One nanosecond for every 1,000 MACs and 5 µs for each kernel, ±10 %.
struct Toy(Identity);

impl Toy {
    fn new() -> Toy {
        Toy(Identity {
            device: "toy".into(),
            runtime: "none".into(),
            runtime_version: None,
            precision: "fp32".into(),
            batch: 1,
            threads: 1,
            cores: None,
            thermal_state: None,
        })
    }
}

impl LatencyPredictor for Toy {
    fn identity(&self) -> &Identity {
        &self.0
    }
    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        let latency = Latency::from_ns(5_000.0 + kernel.macs() / 1_000.0);
        KernelEstimate::inside(latency)
    }
    fn network(&self, terms: &Terms) -> Estimate {
        Estimate {
            latency: terms.latency,
            lower: terms.latency * 0.9,
            upper: terms.latency * 1.1,
            charged: terms.latency,
            coverage: 1.0,
        }
    }
}

fn search_of<'a>(name: &str, proxy: &'a dyn Proxy, rules: Rules) -> Search<'a> {
    let preset = preset::by_name(name).unwrap();
    let mut initial = notation::parse(preset.initial).unwrap().super_blocks("the test searches").unwrap();
    relink(&mut initial);
    let toy = TrackedDevice { name: "toy".into(), predictor: Arc::new(Toy::new()).into() };
    let budgets = preset.budgets(preset.budget.0.is_per_device().then_some(toy));
    Search {
        space: space::by_name(preset.space).unwrap(),
        initial,
        proxy: Some(proxy),
        budgets,
        shape: None,
        se: false,
        rules,
        resolution: preset.resolution,
        classes: preset.classes,
        seed: 1,
        threads: 1,
    }
}

fn fronts(outcome: &SearchOutcome) -> impl Iterator<Item = &Individual> {
    outcome.fronts.iter().flat_map(|front| front.iter())
}

/// All of an outcome that must not depend on threads or interruptions.
fn everything(outcome: &SearchOutcome) -> impl PartialEq + std::fmt::Debug + use<> {
    let members: Vec<Individual> = outcome.population.iter().map(|m| Individual::clone(m)).collect();
    let front: Vec<Individual> = fronts(outcome).cloned().collect();
    (outcome.best.clone(), members, front, outcome.history.clone(), outcome.scored, outcome.rejected.clone())
}

fn few(rules: Rules, iterations: u64) -> Rules {
    Rules { iterations, ..rules }
}

fn check_within(search: &Search<'_>, outcome: &SearchOutcome) {
    for member in outcome.population.iter().map(|member| &**member).chain(fronts(outcome)) {
        let model = Model {
            name: None,
            network: Network::from(&member.blocks[..]),
            resolution: search.resolution,
            classes: search.classes,
            se: false,
        };
        model.validate().unwrap();
        let (params, flops) = model.official(Variant::BUILT).unwrap();
        for (quantity, value) in [
            (Quantity::Params, params.0),
            (Quantity::Flops, flops.0),
            (Quantity::Layers, f64::from(model.network.layers().unwrap())),
            (Quantity::Memory, model.peak_activations().unwrap().0),
            (Quantity::Weights, 4.0 * model.exact(Variant::built(search.se)).unwrap().params as f64),
        ] {
            let limit = search.budgets.limit(quantity);
            assert!(limit.is_none_or(|limit| value <= limit), "{quantity} {value} over {limit:?}");
            if quantity.is_always_known() || limit.is_some() {
                assert_eq!(member.costs[quantity], Some(value), "{}", model.network);
            }
        }
        let devices = search.budgets.devices().iter().enumerate();
        for ((index, device), estimate) in devices.zip(&member.costs.latencies) {
            // The cached sums are those of the whole network.
            let whole = device.predictor.of_kernels().unwrap().predict(&model.kernels().unwrap());
            assert!((whole.latency.ns() / estimate.latency.ns() - 1.0).abs() < 1e-9, "{}", model.network);
            let limit = search.budgets.time_limit(index);
            assert!(limit.is_none_or(|limit| search.budgets.budgeted(estimate) <= limit));
        }
    }
}

#[test]
fn one_million_parameters_beat_the_published_network() {
    let zen = ZenScore::new(Mode::Reference, 32);
    let search = search_of("Zen_NAS_cifar_params1M", &zen, few(Rules::REFERENCE, 200_000));
    let outcome = search.run().unwrap();
    check_within(&search, &outcome);
    let published = published::by_name("zennet_cifar10_model_size1M_res32").unwrap();
    let theirs = zen.score_network(&published.network).unwrap();
    assert!(outcome.best.score >= theirs + 2.0, "{} against {theirs}", outcome.best.score);
    assert!(outcome.population.len() <= search.rules.population + 1);
    let rejected = &outcome.rejected;
    let over = [Quantity::Layers, Quantity::Params, Quantity::Flops, Quantity::Latency];
    let total = over.map(|quantity| rejected.over[quantity]).iter().sum::<u64>() + rejected.invalid;
    assert_eq!(total + outcome.scored, outcome.iterations, "{rejected:?}");
    assert_eq!(
        (
            rejected.over[Quantity::Flops],
            rejected.over[Quantity::Latency],
            rejected.invalid,
            rejected.unscored
        ),
        (0, 0, 0, 0)
    );
}

#[test]
fn threads_do_not_change_the_result() {
    for (name, rules) in [
        ("Zen_NAS_cifar_params1M", few(Rules::REFERENCE, 10_000)),
        ("Zen_NAS_cifar_params1M", few(Rules::PAPER, 20_000)),
        ("Zen_NAS_ImageNet_flops400M", few(Rules::PAPER, 10_000)),
        ("Zen_NAS_ImageNet_latency0.3ms", few(Rules::PAPER, 3_000)),
        ("Random_NAS_cifar_params1M", few(Rules::PAPER, 10_000)),
        ("Zen_NAS_cifar_params1M", few(Rules::ISLANDS, 20_500)),
        ("Zen_NAS_ImageNet_latency0.3ms", few(Rules::ISLANDS, 5_000)),
        ("Random_NAS_cifar_params1M", few(Rules::ISLANDS, 10_000)),
    ] {
        let preset = preset::by_name(name).unwrap();
        let setup = Setup { mode: Mode::Paper, resolution: preset.resolution };
        let proxy = (proxy::by_name(preset.proxy).unwrap().make)(setup);
        let run = |threads| {
            let search = Search { threads, ..search_of(name, &*proxy, rules) };
            let outcome = search.run().unwrap();
            everything(&outcome)
        };
        let one = run(1);
        assert_eq!(run(2), one, "{name}");
        assert_eq!(run(5), one, "{name}");
    }
}

#[test]
fn seeds_change_the_result() {
    let zen = ZenScore::new(Mode::Paper, 32);
    let run = |seed| {
        let search = Search { seed, ..search_of("Zen_NAS_cifar_params1M", &zen, few(Rules::PAPER, 5_000)) };
        search.run().unwrap().best
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn all_budgets_hold_together() {
    let zen = ZenScore::new(Mode::Paper, 224);
    let mut search = search_of("Zen_NAS_ImageNet_latency0.5ms", &zen, few(Rules::PAPER, 20_000));
    search.space = space::by_name("mobilenet").unwrap();
    search.initial = notation::parse(published::INIT_IMAGENET_FLOPS).unwrap().super_blocks("").unwrap();
    search.budgets.bound(Quantity::Params, 4e6);
    search.budgets.bound(Quantity::Flops, 3e8);
    search.budgets.bound(Quantity::Memory, 9e6);
    search.budgets.bound(Quantity::Weights, 15e6);
    search.budgets.confidence = Some(0.9);
    search.budgets.bound_latency(0, Latency::from_ms(0.9));
    let observer = Watcher::default();
    let outcome = search.observed(&observer, None).unwrap();
    check_within(&search, &outcome);
    assert!(outcome.fronts.iter().all(|front| front.len() > 5));
    let seen = observer.seen.into_inner().unwrap();
    assert_eq!(seen.last().map(|p| p.iteration), Some(20_000));
    assert!(seen.windows(2).all(|pair| pair[0].best <= pair[1].best), "the best is never lost");
}

#[test]
fn a_start_outside_the_budget_walks_into_it() {
    let zen = ZenScore::new(Mode::Paper, 224);
    let mut search = search_of("Zen_NAS_ImageNet_flops400M", &zen, few(Rules::PAPER, 3_000));
    // The initial structure has 162 MFLOPs.
    search.budgets.bound(Quantity::Flops, 6e7);
    let outcome = search.run().unwrap();
    check_within(&search, &outcome);
}

#[test]
fn an_infeasible_budget_names_the_smallest_reachable() {
    let zen = ZenScore::new(Mode::Paper, 224);
    let mut search = search_of("Zen_NAS_ImageNet_latency0.1ms", &zen, few(Rules::PAPER, 3_000));
    // Two times the 5 µs per kernel are far too little.
    search.budgets.bound_latency(0, Latency::from_ns(10_000.0));
    let Err(SearchError::Infeasible(why)) = search.run() else { panic!("found a network in 10 µs") };
    assert_eq!(why.quantity, Quantity::Latency);
    let smallest = Latency::from_ns(why.smallest);
    assert_eq!(why.device.as_deref(), Some("toy"));
    // What it names can be reached, and a little less cannot.
    search.budgets.bound_latency(0, smallest * 1.0001);
    let outcome = search.run().unwrap();
    check_within(&search, &outcome);
    search.budgets.bound_latency(0, smallest * 0.95);
    assert!(matches!(search.run(), Err(SearchError::Infeasible(_))));
}

/// A score that fails for deep networks and is not a number for others.
struct Moody;

impl Proxy for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }
    fn score(
        &self,
        candidate: proxy::Candidate<'_>,
        _: &mut rand_xoshiro::Xoshiro256PlusPlus,
    ) -> Result<f64, proxy::ScoreError> {
        match edgezen::plainnet::layers(candidate.blocks) {
            layers if layers % 3 == 0 => Ok(f64::NAN),
            layers if layers > 10 => {
                Err(proxy::ScoreError::Undefined { proxy: "moody", reason: "too deep".into() })
            }
            layers => Ok(layers as f64),
        }
    }
}

#[test]
fn failed_scores_never_enter_the_population() {
    let search = search_of("Zen_NAS_cifar_params1M", &Moody, few(Rules::PAPER, 5_000));
    let outcome = search.run().unwrap();
    assert!(outcome.rejected.unscored > 0);
    assert!(outcome.population.iter().all(|member| member.score.is_finite() && member.score <= 10.0));
}

/// Stops a search at certain iterations and keeps what it saves.
struct Interrupter {
    stop_after: u64,
    asked: Mutex<u64>,
    saved: Mutex<Option<Checkpoint>>,
}

impl Observer for Interrupter {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn progress(&self, _: SearchProgress) {}
    fn instruction(&self) -> Instruction {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        if *asked >= self.stop_after { Instruction::Stop } else { Instruction::GoOn }
    }
    fn save(&self, checkpoint: &Checkpoint) {
        *self.saved.lock().unwrap() = Some(checkpoint.clone());
    }
}

#[test]
fn an_interrupted_search_ends_like_any_other() {
    for (name, rules, steps) in [
        ("Zen_NAS_cifar_params1M", few(Rules::ISLANDS, 21_000), 3),
        ("Zen_NAS_ImageNet_latency0.3ms", few(Rules::ISLANDS, 7_000), 1),
        ("Zen_NAS_cifar_params1M", few(Rules::PAPER, 6_000), 20),
        ("Zen_NAS_cifar_params1M", few(Rules::REFERENCE, 6_000), 200),
    ] {
        let preset = preset::by_name(name).unwrap();
        let zen = ZenScore::new(Mode::Paper, preset.resolution);
        let search = search_of(name, &zen, rules);
        let want = everything(&search.run().unwrap());
        let mut checkpoint: Option<Checkpoint> = None;
        let mut sessions = 0;
        let outcome = loop {
            let observer = Interrupter { stop_after: steps, asked: Mutex::new(0), saved: Mutex::new(None) };
            let outcome = search.observed(&observer, checkpoint.as_ref()).unwrap();
            if outcome.iterations == rules.iterations {
                break outcome;
            }
            // Through text, as on disk.
            let saved = observer.saved.into_inner().unwrap().unwrap();
            let text = serde_json::to_string(&saved).unwrap();
            checkpoint = Some(serde_json::from_str(&text).unwrap());
            sessions += 1;
        };
        assert!(sessions > 1, "{name}: {sessions}");
        assert!(everything(&outcome) == want, "{name} {:?} differs after an interruption", rules.optimiser);
        // From its last checkpoint a finished search gives its result again.
        let islands = if rules.islands == 1 { 2 } else { 1 };
        let other = Search { rules: Rules { islands, ..rules }, ..search };
        assert!(matches!(
            other.observed(&edgezen::search::Silent, checkpoint.as_ref()),
            Err(SearchError::Checkpoint(_))
        ));
    }
}

#[test]
fn islands_do_not_collapse_and_gain_from_iterations() {
    let zen = ZenScore::new(Mode::Reference, 32);
    let best = |rules| {
        let search = search_of("Zen_NAS_cifar_params1M", &zen, rules);
        let outcome = search.run().unwrap();
        check_within(&search, &outcome);
        let distinct: std::collections::HashSet<_> =
            outcome.population.iter().map(|m| m.blocks.clone()).collect();
        (outcome.best.score, distinct.len() as f64 / outcome.population.len() as f64)
    };
    let (short, _) = best(few(Rules::ISLANDS, 30_000));
    let (long, distinct) = best(few(Rules::ISLANDS, 240_000));
    assert!(long > short, "{long} after {short}");
    // The best of each island also visits the others; apart from that, all networks are different.
    assert!(distinct > 0.4, "{distinct} of the networks are different");
    let (reference, _) = best(few(Rules::REFERENCE, 240_000));
    assert!(long > reference, "{long} against {reference}");
}

#[test]
fn builder_and_fields_are_the_same_search() {
    let space = space::by_name("mobilenet").unwrap();
    let found = Search::new(space)
        .budget(Quantity::Flops, 3e8)
        .latency("toy", Toy::new(), Latency::from_ms(0.9))
        .latency("toy", Toy::new(), Latency::from_ms(0.8))
        .iterations(4_000)
        .input(192, 100)
        .seed(3)
        .threads(1)
        .run()
        .unwrap();
    let costs = &found.best.costs;
    assert!(costs[Quantity::Flops].unwrap() <= 3e8 && costs.latencies.len() == 1, "{costs:?}");
    assert!(costs.latencies[0].latency <= Latency::from_ms(0.8));
}

#[test]
fn explanations_add_up() {
    let zen = ZenScore::new(Mode::Paper, 224);
    let search = search_of("Zen_NAS_ImageNet_latency0.5ms", &zen, few(Rules::ISLANDS, 6_000));
    let best = search.run().unwrap().best;
    let why = edgezen::search::explain::explain(&search, &zen, &best.blocks).unwrap();
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    close(why.blocks.iter().map(|share| share.score.unwrap()).sum(), best.score);
    let latency: f64 = why.blocks.iter().map(|share| share.latency_ms["toy"]).sum();
    close(latency + why.classifier_ms["toy"], best.costs.latencies[0].latency.ms());
    assert!(why.budgets.windows(2).all(|pair| pair[0].share >= pair[1].share));
    assert!(why.budgets[0].share <= 1.0 && why.budgets.len() == 2);
    let edits = &why.edits;
    assert_eq!((edits.unit.as_str(), edits.device.as_deref()), ("ms", Some("toy")));
    assert!(!edits.save.is_empty() && edits.save.iter().all(|e| e.cost < 0.0 && e.score <= 0.0));
    assert!(edits.gain.iter().all(|e| e.score > 0.0));
}

#[test]
fn each_constraint_can_be_the_one_that_binds() {
    let zen = ZenScore::new(Mode::Paper, 224);
    let base = search_of("Zen_NAS_ImageNet_flops400M", &zen, few(Rules::ISLANDS, 1_000));
    let slow = base.clone().latency("toy", Toy::new(), Latency::from_ns(100.0));
    let bounded = [
        (Quantity::Layers, 2.0),
        (Quantity::Params, 1e4),
        (Quantity::Flops, 1e5),
        (Quantity::Memory, 1e4),
        (Quantity::Weights, 1e4),
    ];
    let bounded = bounded.map(|(quantity, limit)| (quantity, base.clone().budget(quantity, limit)));
    for (quantity, search) in bounded.into_iter().chain([(Quantity::Latency, slow)]) {
        let Err(SearchError::Infeasible(why)) = search.run() else { panic!("{quantity} was met") };
        assert_eq!(why.quantity, quantity);
    }
}

#[test]
fn any_budget_gives_networks_inside_the_rules_of_shape() {
    let bounds =
        [(Quantity::Flops, 4e8), (Quantity::Params, 4e6), (Quantity::Memory, 4e6), (Quantity::Weights, 2e7)];
    for &space in space::registry() {
        let by_quantity = bounds.map(|(quantity, limit)| Search::new(space).budget(quantity, limit));
        let by_latency = Search::new(space).latency("toy", Toy::new(), Latency::from_ms(0.6));
        for search in by_quantity.into_iter().chain([by_latency]) {
            let search = search.with_depth_limit().unwrap().iterations(2_000).threads(1);
            let limit = search.budgets.limit(Quantity::Layers).unwrap();
            let outcome = search.run().unwrap();
            check_within(&search, &outcome);
            assert!((10.0..=30.0).contains(&limit) && outcome.rejected.misshapen > 0);
            for network in fronts(&outcome).chain([&outcome.best]) {
                let load = space.shape_rules().fullest(&network.blocks).unwrap();
                assert!(load.share() <= 1.0, "{}", load.sentence());
            }
            let free = search.clone().any_shape().run().unwrap();
            assert!(free.rejected.misshapen == 0);
        }
    }
}
