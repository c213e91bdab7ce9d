//! Trees as lists of small integers, and how they are walked.
//!
//! In files the nodes of a tree stand in preorder: a node, the nodes on its left, the nodes on its right;
//! `left` says how many stand on its left, so that the place of everything else follows. A subtree without
//! nodes is a leaf; leaves are listed from left to right. To walk a tree of n nodes from node i and leaf l:
//!
//! ```text
//! while n > 0:
//!     if bin[feature[i]] <= cut[i]:  i, n    = i + 1, left[i]
//!     else:                          i, n, l = i + 1 + left[i], n - 1 - left[i], l + left[i] + 1
//! ```
//!
//! In memory every node and every leaf is one word, and a leaf leads to itself: kernels that reach theirs
//! at different depths can walk in step.

use super::{ABREAST, Bins, MAX_BINS, MAX_FEATURES};
use serde::{Deserialize, Serialize};

/// Most leaves of a tree: the number of nodes on the left fits into a byte.
pub const MAX_LEAVES: usize = 256;

/// Trees ready to be walked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Trees {
    trees: Vec<Tree>,
    /// Nodes and leaves of all trees, one after another, each tree in preorder.
    words: Vec<Word>,
    /// The value of a leaf, at the place of its word; 0 at nodes.
    values: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tree {
    start: u32,
    words: u32,
    depth: u32,
}

/// A node: `feature`, `cut`, how far on its left child is, and its right one. A leaf's children are no way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(u32);

impl Word {
    const LEAF: Word = Word(0);

    fn node(feature: u8, cut: u8, right: usize) -> Word {
        Word(u32::from(feature) | u32::from(cut) << 8 | 1 << 16 | (right as u32) << 20)
    }
    fn feature(self) -> usize {
        self.0 as usize % MAX_FEATURES
    }
    fn cut(self) -> u8 {
        (self.0 >> 8) as u8
    }
    fn left(self) -> u32 {
        self.0 >> 16 & 1
    }
    fn right(self) -> u32 {
        self.0 >> 20
    }
    fn is_leaf(self) -> bool {
        self.left() == 0
    }
    /// How far on the child is that `bins` leads to.
    fn step(self, bins: &Bins) -> u32 {
        if bins[self.feature()] > self.cut() { self.right() } else { self.left() }
    }
}

/// A tree while it grows; a leaf, or a cut with what lies on both sides.
pub(super) enum Grown {
    Leaf(i32),
    Node { feature: u8, cut: u8, left: usize, right: usize },
}

/// The form of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Nodes of each tree.
    nodes: Vec<u16>,
    /// The feature that each node looks at.
    feature: Vec<u8>,
    /// Go right where its bin is greater.
    cut: Vec<u8>,
    /// Nodes on its left.
    left: Vec<u8>,
    /// In units of 10⁻⁴ of log latency, one more than nodes for each tree.
    leaf: Vec<i32>,
}

impl Trees {
    /// Appends the tree whose root is the first of `grown`.
    pub(super) fn push(&mut self, grown: &[Grown]) {
        let start = self.words.len();
        let depth = self.append(grown, 0);
        let words = (self.words.len() - start) as u32;
        self.trees.push(Tree { start: start as u32, words, depth });
    }

    /// Appends the subtree at `root`; gives its depth.
    fn append(&mut self, grown: &[Grown], root: usize) -> u32 {
        let at = self.words.len();
        self.words.push(Word::LEAF);
        match grown[root] {
            Grown::Leaf(value) => {
                self.values.push(value);
                0
            }
            Grown::Node { feature, cut, left, right } => {
                self.values.push(0);
                let left = self.append(grown, left);
                self.words[at] = Word::node(feature, cut, self.words.len() - at);
                1 + left.max(self.append(grown, right))
            }
        }
    }

    /// Sum of the leaves that `bins` lead to.
    pub(super) fn sum(&self, bins: &Bins) -> i64 {
        let mut sum = 0;
        for trees in self.trees.chunks(ABREAST) {
            let mut at = [0; ABREAST];
            let mut depth = 0;
            for (at, tree) in at.iter_mut().zip(trees) {
                *at = tree.start;
                depth = depth.max(tree.depth);
            }
            for _ in 0..depth {
                for at in &mut at {
                    *at += self.words[*at as usize].step(bins);
                }
            }
            sum += at.iter().take(trees.len()).map(|&at| i64::from(self.values[at as usize])).sum::<i64>();
        }
        sum
    }

    /// The same for several kernels.
    pub(super) fn sums(&self, bins: &[Bins; ABREAST]) -> [i64; ABREAST] {
        let mut sums = [0; ABREAST];
        for tree in &self.trees {
            let range = tree.start as usize..(tree.start + tree.words) as usize;
            let (words, values) = (&self.words[range.clone()], &self.values[range]);
            let mut at = [0_u32; ABREAST];
            for _ in 0..tree.depth {
                for (at, bins) in at.iter_mut().zip(bins) {
                    *at += words[*at as usize].step(bins);
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += i64::from(values[at as usize]);
            }
        }
        sums
    }

    /// The value of the last tree for a row of bins.
    pub(super) fn last(&self, bins: &[u8]) -> i32 {
        let Some(tree) = self.trees.last() else { return 0 };
        let mut at = tree.start as usize;
        while !self.words[at].is_leaf() {
            let word = self.words[at];
            at += if bins[word.feature()] > word.cut() { word.right() } else { word.left() } as usize;
        }
        self.values[at]
    }

    /// One more than the last feature that a node looks at.
    pub(super) fn features(&self) -> usize {
        self.words.iter().filter(|word| !word.is_leaf()).map(|word| word.feature() + 1).max().unwrap_or(0)
    }

    /// The largest sum of leaves that there can be, in size.
    pub(super) fn extreme(&self) -> i64 {
        let of_tree = |tree: &Tree| {
            let values = &self.values[tree.start as usize..(tree.start + tree.words) as usize];
            values.iter().map(|&value| i64::from(value).abs()).max().unwrap_or(0)
        };
        self.trees.iter().map(of_tree).sum()
    }
}

impl From<Trees> for Stored {
    fn from(trees: Trees) -> Stored {
        let mut stored = Stored { nodes: vec![], feature: vec![], cut: vec![], left: vec![], leaf: vec![] };
        for tree in &trees.trees {
            stored.nodes.push((tree.words / 2) as u16);
            for at in tree.start as usize..(tree.start + tree.words) as usize {
                let word = trees.words[at];
                if word.is_leaf() {
                    stored.leaf.push(trees.values[at]);
                } else {
                    stored.feature.push(word.feature() as u8);
                    stored.cut.push(word.cut());
                    // A subtree has one leaf more than nodes.
                    stored.left.push((word.right() / 2 - 1) as u8);
                }
            }
        }
        stored
    }
}

impl TryFrom<Stored> for Trees {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Trees, String> {
        let nodes: usize = stored.nodes.iter().map(|&nodes| usize::from(nodes)).sum();
        let lists = [stored.feature.len(), stored.cut.len(), stored.left.len()];
        if lists != [nodes; 3] || stored.leaf.len() != nodes + stored.nodes.len() {
            return Err("the lists of nodes and leaves do not fit together".into());
        }
        if stored.nodes.iter().any(|&nodes| usize::from(nodes) >= MAX_LEAVES) {
            return Err(format!("a tree of more than {MAX_LEAVES} leaves"));
        }
        if stored.feature.iter().any(|&feature| usize::from(feature) >= MAX_FEATURES)
            || stored.cut.iter().any(|&cut| usize::from(cut) >= MAX_BINS)
        {
            return Err("a tree node looks at what cannot be".into());
        }
        let mut trees = Trees::default();
        let mut from = Reader { stored: &stored, node: 0, leaf: 0 };
        for &nodes in &stored.nodes {
            let start = trees.words.len();
            let depth = from.subtree(usize::from(nodes), &mut trees)?;
            let words = (trees.words.len() - start) as u32;
            trees.trees.push(Tree { start: start as u32, words, depth });
        }
        Ok(trees)
    }
}

struct Reader<'a> {
    stored: &'a Stored,
    node: usize,
    leaf: usize,
}

impl Reader<'_> {
    /// Reads a subtree of so many nodes; gives its depth.
    fn subtree(&mut self, nodes: usize, trees: &mut Trees) -> Result<u32, String> {
        let at = trees.words.len();
        trees.words.push(Word::LEAF);
        if nodes == 0 {
            trees.values.push(self.stored.leaf[self.leaf]);
            self.leaf += 1;
            return Ok(0);
        }
        let node = self.node;
        self.node += 1;
        let left = usize::from(self.stored.left[node]);
        let right = (nodes - 1).checked_sub(left).ok_or("a tree node has more on its left than there is")?;
        trees.values.push(0);
        let left = self.subtree(left, trees)?;
        let (feature, cut) = (self.stored.feature[node], self.stored.cut[node]);
        trees.words[at] = Word::node(feature, cut, trees.words.len() - at);
        Ok(1 + left.max(self.subtree(right, trees)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Trees {
        let node = |feature, cut, left, right| Grown::Node { feature, cut, left, right };
        let mut trees = Trees::default();
        trees.push(&[
            node(0, 3, 1, 2),
            Grown::Leaf(5),
            node(1, 0, 3, 4),
            node(0, 9, 5, 6),
            Grown::Leaf(-7),
            Grown::Leaf(11),
            Grown::Leaf(13),
        ]);
        trees.push(&[Grown::Leaf(100)]);
        trees
    }

    fn bins(first: u8, second: u8) -> Bins {
        let mut bins = [0; MAX_FEATURES];
        (bins[0], bins[1]) = (first, second);
        bins
    }

    #[test]
    fn every_way_leads_to_its_leaf() {
        let trees = example();
        let ways = [(0, 1, 5), (3, 0, 5), (4, 0, 11), (9, 0, 11), (10, 0, 13), (4, 1, -7)];
        for (first, second, leaf) in ways {
            let bins = bins(first, second);
            assert_eq!(trees.sum(&bins), 100 + leaf);
            assert_eq!(trees.sums(&[bins; ABREAST]), [100 + leaf; ABREAST]);
        }
        assert_eq!((trees.features(), trees.extreme()), (2, 113));
    }

    #[test]
    fn files_hold_them_and_refuse_what_is_no_tree() {
        let text = serde_json::to_value(example()).unwrap();
        assert_eq!(text["left"], serde_json::json!([0, 1, 0]));
        assert_eq!(text["leaf"], serde_json::json!([5, 11, 13, -7, 100]));
        assert_eq!(serde_json::from_value::<Trees>(text.clone()).unwrap(), example());
        for (field, value) in [
            ("left", serde_json::json!([0, 2, 0])),
            ("left", serde_json::json!([0, 1])),
            ("nodes", serde_json::json!([2, 1])),
            ("nodes", serde_json::json!([3])),
            ("feature", serde_json::json!([0, 64, 0])),
            ("cut", serde_json::json!([3, 127, 9])),
            ("leaf", serde_json::json!([5, 11, 13, -7])),
        ] {
            let mut text = text.clone();
            text[field] = value;
            assert!(serde_json::from_value::<Trees>(text).is_err(), "{field}");
        }
    }
}
