use edgezen::plainnet::*;
use edgezen::proxy::*;
use rand::SeedableRng;
use std::time::Instant;
fn main() {
    for (name, side) in
        [("zennet_imagenet1k_flops400M_SE_res224", 224u32), ("zennet_cifar10_model_size1M_res32", 32)]
    {
        let model = published::by_name(name).unwrap();
        let blocks = model.network.super_blocks("x").unwrap();
        let mut nets = vec![];
        for i in 0..blocks.len() {
            for d in 1..=8 {
                let mut o = blocks.clone();
                o[i].out_c += 8 * d;
                relink(&mut o);
                nets.push(o);
            }
            for d in 1..=8 {
                let mut o = blocks.clone();
                o[i].bottleneck += 8 * d;
                relink(&mut o);
                nets.push(o);
            }
        }
        let zen = edgezen::proxy::zen::ZenScore::new(Mode::Paper, side);
        let cand: Vec<_> =
            nets.iter().map(|b| Candidate { blocks: b, resolution: side, classes: 1000 }).collect();
        let mut best = [f64::MAX; 2];
        for _ in 0..40 {
            let mut m = Memory::default();
            let mut r = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(0);
            let t = Instant::now();
            for c in &cand {
                std::hint::black_box(zen.score_next(*c, &mut m, &mut r)).unwrap();
            }
            best[0] = best[0].min(t.elapsed().as_secs_f64());
            let mut m = Memory::default();
            let t = Instant::now();
            for c in cand.chunks(16) {
                std::hint::black_box(
                    zen.score_alike(c, &mut m, &mut |_| rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(0)),
                );
            }
            best[1] = best[1].min(t.elapsed().as_secs_f64());
        }
        println!(
            "{name}: {} nets: {:.0} ns, {:.0} ns",
            nets.len(),
            1e9 * best[0] / nets.len() as f64,
            1e9 * best[1] / nets.len() as f64
        );
    }
}
