//! Search spaces and mutation against the golden data and against their own rules.

use crate::golden::{json, list, number, text};
use edgezen::plainnet::{Network, SuperBlock, notation, relink};
use edgezen::search::variation::Mutator;
use edgezen::space;
use edgezen::space::{KindWeights, MutationReach, SearchSpace, channel_choices, sublayer_choices};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

fn blocks(structure: &str) -> Vec<SuperBlock> {
    notation::parse(structure).unwrap().super_blocks("the test mutates").unwrap()
}

fn integers(value: &serde_json::Value) -> Vec<i32> {
    list(value).iter().map(|v| v.as_i64().unwrap() as i32).collect()
}

#[test]
fn candidate_lists() {
    let golden = json("rounding_and_lists.json");
    for case in list(&golden["channel_candidates"]) {
        let c = number(case, "c") as i32;
        for space in space::registry() {
            let have = channel_choices(c, space.max_channels(), MutationReach::Reference);
            assert_eq!(have.as_slice(), integers(&case[space.reference_name()]), "{c} in {}", space.name());
        }
    }
    for case in list(&golden["sublayer_candidates"]) {
        // The list of the reference contains 0, which it drops later (docs/plainnet.md, section 4.1).
        let want: Vec<i32> = integers(&case["both"]).into_iter().filter(|&l| l > 0).collect();
        let have = sublayer_choices(number(case, "L") as i32, MutationReach::Reference);
        assert_eq!(have.as_slice(), want, "{case}");
    }
}

#[test]
fn candidate_sets() {
    for case in list(&json("candidates.json")) {
        let space = space::by_name(text(case, "space")).unwrap();
        let block = blocks(text(case, "block"))[0];
        let candidates = space::candidates(space, block, KindWeights::Reference, MutationReach::Reference);
        let mut printed: Vec<String> = candidates.all().iter().map(ToString::to_string).collect();
        printed.sort();
        assert_eq!(printed.len() as f64, number(case, "num_unique"), "{block}");
        let hash = Sha256::digest(printed.join("\n").as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, text(case, "sha256_sorted_unique"), "{block}");
        let weights: BTreeMap<String, u32> =
            candidates.kinds().into_iter().map(|(kind, weight)| (kind.to_string(), weight)).collect();
        assert_eq!(serde_json::json!(weights), case["multiplicity_by_type"], "{block}");
        // Equal combinations within a type: the weighted count is a product.
        let total: u32 = weights.values().sum();
        let per_type = printed.len() / weights.len();
        assert_eq!((total as usize * per_type) as f64, number(case, "num_weighted"), "{block}");
    }
}

/// Blocks that differ between `parent` and `child`, with splits undone and inputs ignored; `None` if
/// some block is out of reach.
fn distance(
    space: &dyn SearchSpace,
    reach: MutationReach,
    parent: &[SuperBlock],
    child: &[SuperBlock],
) -> Option<usize> {
    let Some((&first, rest)) = parent.split_first() else { return child.is_empty().then_some(0) };
    let mut best = None;
    for parts in 1..=child.len().min(3) {
        let mut merged = child[0];
        let mergeable = child[1..parts].iter().all(|part| {
            let continues = part.kind == merged.kind
                && (part.in_c, part.out_c, part.stride) == (merged.out_c, merged.out_c, 1)
                && part.bottleneck == merged.bottleneck;
            merged.sublayers += part.sublayers;
            continues
        });
        if !mergeable {
            break;
        }
        let same = SuperBlock { in_c: first.in_c, ..merged } == first;
        if !same && !space::candidates(space, first, KindWeights::Reference, reach).contains(&merged) {
            continue;
        }
        if let Some(tail) = distance(space, reach, rest, &child[parts..]) {
            let total = tail + usize::from(!same);
            best = Some(best.map_or(total, |b: usize| b.min(total)));
        }
    }
    best
}

fn is_linked(blocks: &[SuperBlock]) -> bool {
    blocks.windows(2).all(|pair| pair[1].in_c == pair[0].out_c)
}

#[test]
fn golden_mutations_are_within_reach() {
    for (file, space) in [("mutations_XXBL.json", "XXBL"), ("mutations_IDW_fixfc.json", "IDW_fixfc")] {
        let space = space::by_name(space).unwrap();
        let cases = json(file);
        assert_eq!(list(&cases).len(), 50);
        for case in list(&cases) {
            let (parent, child) = (blocks(text(case, "parent")), blocks(text(case, "child")));
            assert!(is_linked(&child), "{case}");
            let changed = distance(space, MutationReach::Reference, &parent, &child);
            let allowed = number(case, "num_replaces") as usize;
            assert!(changed.is_some_and(|n| n <= allowed), "{changed:?} changes: {case}");
        }
    }
}

#[test]
fn type_weights_are_the_reference_ones() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    for space in space::registry() {
        let block = blocks(space.default_structure())[1];
        let candidates = space::candidates(*space, block, KindWeights::Reference, MutationReach::Reference);
        let draws = 40_000;
        let mut counts: BTreeMap<_, f64> = BTreeMap::new();
        for _ in 0..draws {
            *counts.entry(candidates.draw(&mut rng).kind).or_default() += 1.0;
        }
        let total: u32 = candidates.kinds().iter().map(|k| k.1).sum();
        let chi_squared: f64 = candidates
            .kinds()
            .iter()
            .map(|(kind, weight)| {
                let expected = f64::from(draws) * f64::from(*weight) / f64::from(total);
                (counts.get(kind).copied().unwrap_or(0.0) - expected).powi(2) / expected
            })
            .sum();
        // 99.9 % of draws stay below this for 11 degrees of freedom.
        assert!(chi_squared < 31.3, "{}: χ² {chi_squared}", space.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutation_chains_stay_valid(seed in any::<u64>(), which in 0_usize..2, replaces in 1_u32..=2, paper in any::<bool>()) {
        let space = space::registry()[which];
        let reach = if paper { MutationReach::Paper } else { MutationReach::Reference };
        let mutator = Mutator { space, weights: KindWeights::Reference, reach };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut parent = blocks(space.default_structure());
        relink(&mut parent);
        let strides = |blocks: &[SuperBlock]| blocks.iter().filter(|b| b.stride == 2).count();
        let reductions = strides(&parent);
        let mut child = Vec::new();
        for _ in 0..20 {
            mutator.mutate(&parent, replaces, &mut rng, &mut child);
            let network = Network::from(&child[..]);
            edgezen::plainnet::shape::validate(&network.blocks, 224).unwrap();
            prop_assert!(child.iter().all(|b| b.kind.is_conv() || b.sublayers < 6));
            prop_assert_eq!(strides(&child), reductions);
            let changed = distance(space, reach, &parent, &child);
            prop_assert!(changed.is_some_and(|n| n <= replaces as usize), "{:?}", changed);
            // The printed structure is the structure.
            prop_assert_eq!(&notation::parse(&network.to_string()).unwrap(), &network);
            std::mem::swap(&mut parent, &mut child);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(SuperConvK3BNRELU|SuperResIDWE6K3|ResBlock|MultiSumBlock|BN|[(),;|0-9 a-z-]){0,24}") {
        if let Ok(network) = notation::parse(&text) {
            let printed = network.to_string();
            prop_assert_eq!(notation::parse(&printed).unwrap().to_string(), printed);
            let _ = edgezen::plainnet::shape::validate(&network.blocks, 32);
        }
    }
}
