//! What a network answered for images whose classes are known: how many it names right, with an interval, and which classes it
//! takes for which.

use edgezen_core::stats;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::collections::BTreeMap;

/// How often images are drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// The means of more images than these are spread as a normal distribution says, and none are drawn.
const MANY: usize = 100_000;

/// Tables that count more images are none of a training.
const MOST_IMAGES: usize = 10_000_000;

/// The class of each image, and the one that the network gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub labels: Vec<u32>,
    pub given: Vec<u32>,
}

/// A share with its interval of 95 %, all from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    pub share: f64,
    pub lower: f64,
    pub upper: f64,
}

/// How a class was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfClass {
    pub class: String,
    pub images: usize,
    /// Of these images, those that were named right.
    pub right: usize,
    /// Images of any class that were taken for this one.
    pub given: usize,
}

impl OfClass {
    /// Share of the images of the class that are named right; `None` where there are none.
    pub fn recall(&self) -> Option<f64> {
        (self.images > 0).then(|| self.right as f64 / self.images as f64)
    }

    /// Share of the images taken for the class that are of it; `None` where there are none.
    pub fn precision(&self) -> Option<f64> {
        (self.given > 0).then(|| self.right as f64 / self.given as f64)
    }
}

impl Answers {
    pub fn push(&mut self, label: u32, given: u32) {
        self.labels.push(label);
        self.given.push(given);
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// For each image, whether its class was named.
    fn right(&self) -> Vec<bool> {
        self.labels.iter().zip(&self.given).map(|(label, given)| label == given).collect()
    }

    /// Share of the images that are named right; 0 where there are none.
    pub fn top1(&self) -> f64 {
        let right = self.right().into_iter().filter(|right| *right).count();
        right as f64 / self.len().max(1) as f64
    }

    /// The same with its interval, from images drawn anew by `seed` (bootstrap).
    pub fn top1_interval(&self, seed: u64) -> Share {
        let values: Vec<f64> = self.right().into_iter().map(f64::from).collect();
        let (lower, upper) = bootstrap(&values, seed);
        Share { share: self.top1(), lower, upper }
    }

    /// How much larger the share named right is than that of `other`, which answered for the same images, with its interval.
    /// `None` where the images are others.
    pub fn gain_over(&self, other: &Answers, seed: u64) -> Option<Share> {
        (self.labels == other.labels).then(|| {
            let pairs = self.right().into_iter().zip(other.right());
            let values: Vec<f64> = pairs.map(|(ours, theirs)| f64::from(ours) - f64::from(theirs)).collect();
            let (lower, upper) = bootstrap(&values, seed);
            Share { share: stats::mean(&values).unwrap_or(0.0), lower, upper }
        })
    }

    /// How each of `classes` was answered.
    pub fn by_class(&self, classes: &[String]) -> Vec<OfClass> {
        let mut all: Vec<OfClass> = classes
            .iter()
            .map(|class| OfClass { class: class.clone(), images: 0, right: 0, given: 0 })
            .collect();
        for (&label, &given) in self.labels.iter().zip(&self.given) {
            if let Some(of) = all.get_mut(label as usize) {
                of.images += 1;
                of.right += usize::from(label == given);
            }
            if let Some(of) = all.get_mut(given as usize) {
                of.given += 1;
            }
        }
        all
    }

    /// How many images of the first class were taken for the second one, where there are any.
    pub fn confusion(&self) -> BTreeMap<(u32, u32), usize> {
        let mut counts = BTreeMap::new();
        for (&label, &given) in self.labels.iter().zip(&self.given) {
            *counts.entry((label, given)).or_insert(0) += 1;
        }
        counts
    }

    /// The confusions as a table: class, the class that was given, images. Pairs without images are left out.
    ///
    /// # Errors
    /// None that is known.
    pub fn confusion_csv(&self, classes: &[String]) -> Result<Vec<u8>, csv::Error> {
        let name = |class: u32| classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["class", "given", "images"])?;
        for ((label, given), count) in self.confusion() {
            writer.write_record([name(label), name(given), count.to_string()])?;
        }
        finished(writer)
    }

    /// The answers in a table of confusions; `None` where it is none, or names other classes.
    pub fn of_confusion_csv(table: &str, classes: &[String]) -> Option<Answers> {
        let numbers: BTreeMap<&str, u32> =
            classes.iter().enumerate().map(|(number, class)| (class.as_str(), number as u32)).collect();
        let mut answers = Answers::default();
        for record in csv::Reader::from_reader(table.as_bytes()).records() {
            let record = record.ok()?;
            let [label, given] = [0, 1].map(|at| record.get(at).and_then(|name| numbers.get(name)));
            let count: usize = record.get(2)?.parse().ok()?;
            if count > MOST_IMAGES - answers.len() {
                return None;
            }
            answers.labels.extend(std::iter::repeat_n(*label?, count));
            answers.given.extend(std::iter::repeat_n(*given?, count));
        }
        Some(answers)
    }

    /// The names of the classes in a table of them; `None` where it is none.
    pub fn class_names(table: &str) -> Option<Vec<String>> {
        let records = csv::Reader::from_reader(table.as_bytes()).into_records();
        records.map(|record| Some(record.ok()?.get(0)?.to_owned())).collect()
    }

    /// The classes as a table: class, images, right, recall, given, precision.
    ///
    /// # Errors
    /// None that is known.
    pub fn classes_csv(&self, classes: &[String]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["class", "images", "right", "recall", "given", "precision"])?;
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        for of in self.by_class(classes) {
            writer.write_record([
                of.class.clone(),
                of.images.to_string(),
                of.right.to_string(),
                number(of.recall()),
                of.given.to_string(),
                number(of.precision()),
            ])?;
        }
        finished(writer)
    }
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.to_string())))
}

/// The ends of the interval of 95 % of the mean of `values`.
fn bootstrap(values: &[f64], seed: u64) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 1.0);
    }
    if values.len() > MANY {
        let mean = stats::mean(values).unwrap_or(0.0);
        let deviation = stats::std_dev(values).unwrap_or(0.0);
        let half = stats::normal_quantile(0.975) * deviation / (values.len() as f64).sqrt();
        return (mean - half, mean + half);
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut mean = || {
        let drawn = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]);
        drawn.sum::<f64>() / values.len() as f64
    };
    let means: Vec<f64> = (0..RESAMPLES).map(|_| mean()).collect();
    let means = stats::sorted(&means);
    let end = |q: f64| stats::quantile(&means, q).unwrap_or(f64::NAN);
    (end(0.025), end(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pairs: &[(u32, u32)]) -> Answers {
        let mut answers = Answers::default();
        pairs.iter().for_each(|&(label, given)| answers.push(label, given));
        answers
    }

    #[test]
    fn classes_and_confusions_are_counted() {
        let names: Vec<String> = ["a", "b, the second", "c"].map(str::to_owned).to_vec();
        let answers = answers(&[(0, 0), (0, 1), (1, 1), (1, 1), (1, 0)]);
        assert_eq!(answers.top1(), 0.6);
        let classes = answers.by_class(&names);
        assert_eq!((classes[0].recall(), classes[0].precision()), (Some(0.5), Some(0.5)));
        assert_eq!((classes[1].images, classes[1].right, classes[1].given), (3, 2, 3));
        assert_eq!((classes[2].recall(), classes[2].precision()), (None, None));
        let csv = String::from_utf8(answers.confusion_csv(&names).unwrap()).unwrap();
        assert_eq!(csv.lines().nth(2), Some("a,\"b, the second\",1"));
        let read = Answers::of_confusion_csv(&csv, &names).unwrap();
        assert_eq!((read.confusion(), read.len()), (answers.confusion(), 5));
        for table in [
            "class,given,images\na,d,1\n",
            "class,given,images\na,c,x\n",
            "class,given,images\na,c,99999999999\n",
        ] {
            assert_eq!(Answers::of_confusion_csv(table, &names), None);
        }
        let csv = String::from_utf8(answers.classes_csv(&names).unwrap()).unwrap();
        assert_eq!(csv.lines().nth(3), Some("c,0,0,,0,"));
        assert_eq!(Answers::class_names(&csv), Some(names));
    }

    #[test]
    fn intervals_are_those_of_the_binomial_distribution() {
        // 90 of 100: the deviation is 0.03.
        let pairs: Vec<(u32, u32)> = (0..100).map(|i| (1, u32::from(i < 90))).collect();
        let share = answers(&pairs).top1_interval(7);
        assert_eq!(share.share, 0.9);
        assert!((0.825..0.86).contains(&share.lower) && (0.94..0.97).contains(&share.upper), "{share:?}");
        assert_eq!(share, answers(&pairs).top1_interval(7));
        // Of very many images, without drawing them: the deviation is 0.0003.
        let pairs: Vec<(u32, u32)> = (0..1_000_000).map(|i| (1, u32::from(i % 10 > 0))).collect();
        let share = answers(&pairs).top1_interval(7);
        assert!(
            (share.lower - 0.899_412).abs() < 1e-5 && (share.upper - 0.900_588).abs() < 1e-5,
            "{share:?}"
        );
        let pairs = &pairs[..100];
        // Answers that are the same have no gain, whatever images are drawn.
        let gain = answers(pairs).gain_over(&answers(pairs), 7).unwrap();
        assert_eq!((gain.share, gain.lower, gain.upper), (0.0, 0.0, 0.0));
        assert!(answers(pairs).gain_over(&answers(&pairs[1..]), 7).is_none());
    }
}
