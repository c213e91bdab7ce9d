//! Which networks of a table are looked at together.

use super::scores::Column;
use crate::accuracy::{AccuracyTable, Trained};
use edgezen_core::plainnet::chain::{Chain, Link};
use edgezen_core::random;
use rand::Rng;

/// Some networks of a table, by their places.
pub struct Group {
    pub name: String,
    pub rows: Vec<usize>,
}

/// The table by training recipe, where it says which: columns `source` and `weights`. Networks that saw further images in
/// training (`extra_data`) are left out.
pub fn by_recipe(name: &str, table: &AccuracyTable, networks: Vec<Trained>) -> Vec<(String, Vec<Trained>)> {
    let Some((sources, weights)) = table.texts("source").zip(table.texts("weights")) else {
        return vec![(name.to_owned(), networks)];
    };
    let extra = table.numbers("extra_data").unwrap_or_default();
    let mut recipes: Vec<(String, Vec<Trained>)> = Vec::new();
    for network in networks {
        for &row in &network.rows {
            if extra.get(row).copied().flatten().is_some_and(|extra| extra > 0.0) {
                continue;
            }
            let recipe = format!("{name} {} {}", sources[row], weights[row]);
            let one = Trained { rows: vec![row], accuracy: table.accuracies[row], ..network.clone() };
            match recipes.iter_mut().find(|(known, _)| *known == recipe) {
                Some((_, members)) => members.push(one),
                None => recipes.push((recipe, vec![one])),
            }
        }
    }
    recipes
}

/// The families of a table that has several: by squeeze-excite and by depthwise convolutions. Families with fewer than
/// `least` networks are left out.
pub fn groups(networks: &[Trained], least: usize) -> Vec<Group> {
    let by = |names: [&str; 3], family: &dyn Fn(&Chain) -> usize| -> Vec<Group> {
        let of = |network: &Trained| network.known.chain.as_ref().map(family);
        let families: Vec<Option<usize>> = networks.iter().map(of).collect();
        let group = |(which, name): (usize, &str)| Group {
            name: name.to_owned(),
            rows: (0..networks.len()).filter(|&row| families[row] == Some(which)).collect(),
        };
        let found: Vec<Group> = names.into_iter().enumerate().map(group).collect();
        let several = found.iter().filter(|group| !group.rows.is_empty()).count() > 1;
        found.into_iter().filter(|group| several && group.rows.len() >= least).collect()
    };
    let squeezed = |chain: &Chain| match share(chain, |link| link.se > 0) {
        0.0 => 0,
        share if share <= 0.5 => 1,
        _ => 2,
    };
    let depthwise = |chain: &Chain| match share(chain, Link::is_depthwise) {
        0.0 => 0,
        share if share <= 0.5 => 1,
        _ => 2,
    };
    let mut all = by(["no SE", "SE up to half", "SE above half"], &squeezed);
    all.extend(by(["no depthwise", "depthwise up to half", "depthwise above half"], &depthwise));
    all
}

/// The share of the windowed convolutions that have a property.
fn share(chain: &Chain, has: impl Fn(&Link) -> bool) -> f64 {
    // The stem is the same in all networks.
    let windowed: Vec<&Link> =
        chain.links.iter().skip(1).filter(|link| !link.pool && link.kernel > 1).collect();
    windowed.iter().filter(|link| has(link)).count() as f64 / windowed.len().max(1) as f64
}

/// The quarters of a table by a cost, the smallest first.
pub fn quartiles(cost: &Column) -> Vec<Group> {
    let mut order: Vec<usize> = (0..cost.values.len()).filter(|&row| cost.values[row].is_some()).collect();
    order.sort_by(|&a, &b| cost.values[a].unwrap_or_default().total_cmp(&cost.values[b].unwrap_or_default()));
    let size = order.len().div_ceil(4).max(1);
    let group = |(i, rows): (usize, &[usize])| Group {
        name: format!("{} quartile {}", cost.name, i + 1),
        rows: rows.to_vec(),
    };
    order.chunks(size).enumerate().map(group).collect()
}

/// `count` networks with a chain, drawn at random, with the name of the group; nothing where fewer than twice as many have one.
/// Ranks among so few say little, and the published networks of one recipe are large: their passes would take most of the
/// experiment's time.
pub fn sample(networks: &[Trained], count: usize, rng: &mut impl Rng) -> Option<(String, Vec<usize>)> {
    let mut rows: Vec<usize> =
        (0..networks.len()).filter(|&row| networks[row].known.chain.is_some()).collect();
    if rows.len() < 2 * count {
        return None;
    }
    random::shuffle(&mut rows, rng);
    rows.truncate(count);
    (rows.len() >= super::LEAST).then(|| (format!("sample of {}", rows.len()), rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::trained::Known;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn a_sample_is_half_of_a_table_at_most() {
        let known = Known::of("nbm:00000000").unwrap();
        let one = || Trained { net: String::new(), accuracy: 70.0, rows: vec![0], known: known.clone() };
        let networks: Vec<Trained> = (0..20).map(|_| one()).collect();
        let of = |count| sample(&networks, count, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        let (name, rows) = of(10).unwrap();
        assert_eq!((name.as_str(), rows.len()), ("sample of 10", 10));
        assert_eq!(of(11), None);
    }
}
