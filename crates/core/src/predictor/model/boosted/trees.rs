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
//! In memory a tree is a page of 512 words, its root first and the two children of a node side by side. A
//! word is 9 bits of where they are, 7 bits of 127 − cut, 16 bits of the feature; a leaf leads to itself, whatever the bin,
//! and has its value in place of a feature.
//! Adding a kernel's bin, moved to the bits of the cut, carries into the place exactly where the bin is
//! greater: a step is a load, an addition and a shift, and no index can leave its page.

use super::{ABREAST, Bins, Columns, MAX_BINS, MAX_FEATURES};
use serde::{Deserialize, Serialize};

/// Most leaves of a tree: the number of nodes on the left fits into a byte.
pub const MAX_LEAVES: usize = 256;

/// Nodes and leaves of a tree.
const PAGE: usize = 2 * MAX_LEAVES;
const PLACE: u32 = u32::BITS - PAGE.ilog2();
const CUT: u32 = PLACE - 7;

/// Trees ready to be walked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Trees {
    pages: Vec<[Word; PAGE]>,
    /// Nodes of each tree, and how far its deepest leaf is from the root.
    sizes: Vec<(u16, u16)>,
}

/// A node or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(u32);

impl Word {
    fn node(feature: u8, cut: u8, children: usize) -> Word {
        let left_over = MAX_BINS as u32 - u32::from(cut);
        Word((children as u32) << PLACE | left_over << CUT | u32::from(feature))
    }
    /// Nothing is left over that a bin could carry.
    fn leaf(place: usize, value: i16) -> Word {
        Word((place as u32) << PLACE | u32::from(value as u16))
    }
    #[inline]
    fn value(self) -> i16 {
        self.0 as u16 as i16
    }
    fn feature(self) -> usize {
        self.0 as usize % MAX_FEATURES
    }
    fn cut(self) -> u8 {
        (MAX_BINS as u32 - (self.0 >> CUT) % (1 << (PLACE - CUT))) as u8
    }
    fn children(self) -> usize {
        (self.0 >> PLACE) as usize
    }
    fn is_leaf(self, place: usize) -> bool {
        self.children() == place
    }
    /// The place that `bins` lead to is that of the [`child`] of this.
    #[inline]
    fn towards(self, bins: &Bins) -> u32 {
        self.0.wrapping_add(bins.0[self.feature()])
    }
}

#[inline]
fn child(towards: u32) -> usize {
    (towards >> PLACE) as usize
}

/// The bin of a feature as [`Word::towards`] adds it.
#[inline]
pub(super) fn moved(bin: u8) -> u32 {
    u32::from(bin) << CUT
}

/// A tree while it grows; a leaf, or a cut with what lies on both sides.
pub enum Grown {
    Leaf(i16),
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
    leaf: Vec<i16>,
}

impl Trees {
    /// Appends the tree whose root is the first of `grown`.
    pub fn push(&mut self, grown: &[Grown]) {
        let nodes = grown.len() / 2;
        let mut page = Page::new();
        page.grown(grown, 0, 0, 0);
        self.append(page, nodes);
    }

    fn append(&mut self, page: Page, nodes: usize) {
        self.pages.push(page.words);
        self.sizes.push((nodes as u16, page.depth));
    }

    /// Sum of the leaves that `bins` lead to.
    pub(super) fn sum(&self, bins: &Bins) -> i64 {
        let mut sum = 0;
        let mut whole = self.pages.chunks_exact(ABREAST);
        let mut sizes = self.sizes.chunks(ABREAST);
        for (pages, sizes) in whole.by_ref().zip(sizes.by_ref()) {
            let mut at = [0; ABREAST];
            for _ in 0..sizes.iter().map(|size| size.1).max().unwrap_or(0) {
                for (at, page) in at.iter_mut().zip(pages) {
                    *at = page[child(*at)].towards(bins);
                }
            }
            sum += at.iter().zip(pages).map(|(&at, page)| i64::from(page[child(at)].value())).sum::<i64>();
        }
        for (page, size) in whole.remainder().iter().zip(sizes.flatten()) {
            let at = (0..size.1).fold(0, |at, _| page[child(at)].towards(bins));
            sum += i64::from(page[child(at)].value());
        }
        sum
    }

    /// The same for `rows` kernels at once. All of them begin at the root of a tree, and part at the cuts that some of them pass and others do not; where
    /// neighbours are alike, that is at few of those on their ways. It is inlined into code for the widest registers of this machine, and has no
    /// closures, which would not be.
    #[inline(always)]
    pub(super) fn sums<const ROWS: usize>(&self, bins: &Columns<ROWS>, rows: usize) -> [i32; ROWS] {
        let mut sums = [0; ROWS];
        let mut all = [0; ROWS];
        for here in all.iter_mut().take(rows) {
            *here = u8::MAX;
        }
        // Most cuts lie beyond all of them.
        let (mut least, mut most) = ([u8::MAX; MAX_FEATURES], [0; MAX_FEATURES]);
        for ((least, most), column) in least.iter_mut().zip(&mut most).zip(&bins.0) {
            for &bin in column.iter().take(rows) {
                *least = bin.min(*least);
                *most = bin.max(*most);
            }
        }
        // Those that went right, while others go left.
        let mut aside: Vec<([u8; ROWS], usize)> = Vec::new();
        for page in &self.pages {
            let mut values = [0_i16; ROWS];
            let (mut here, mut at) = (all, 0);
            loop {
                let word = page[at];
                let children = word.children();
                if children == at {
                    for i in 0..ROWS {
                        values[i] |= i16::from(here[i] as i8) & word.value();
                    }
                    let Some(next) = aside.pop() else { break };
                    (here, at) = next;
                    continue;
                }
                let (feature, cut) = (word.feature(), word.cut());
                if most[feature] <= cut {
                    at = children;
                    continue;
                }
                if least[feature] > cut {
                    at = children + 1;
                    continue;
                }
                let column = &bins.0[feature];
                let mut right = [0; ROWS];
                let (mut any_left, mut any_right) = (0, 0);
                for i in 0..ROWS {
                    right[i] = if column[i] > cut { here[i] } else { 0 };
                    any_right |= right[i];
                    any_left |= here[i] & !right[i];
                }
                if any_right == 0 {
                    at = children;
                } else if any_left == 0 {
                    at = children + 1;
                } else {
                    for i in 0..ROWS {
                        here[i] &= !right[i];
                    }
                    aside.push((right, children + 1));
                    at = children;
                }
            }
            for i in 0..ROWS {
                sums[i] += i32::from(values[i]);
            }
        }
        sums
    }

    /// The value of the last tree for a row of bins.
    pub fn last(&self, bins: &[u8]) -> i16 {
        let Some(page) = self.pages.last() else { return 0 };
        let mut at = 0;
        while !page[at].is_leaf(at) {
            let word = page[at];
            at = word.children() + usize::from(bins[word.feature()] > word.cut());
        }
        page[at].value()
    }

    /// One more than the last feature that a node looks at.
    pub(super) fn features(&self) -> usize {
        let words = self.pages.iter().zip(&self.sizes).flat_map(|(page, size)| {
            page.iter().take(words_of(size.0)).enumerate().filter(|(at, word)| !word.is_leaf(*at))
        });
        words.map(|(_, word)| word.feature() + 1).max().unwrap_or(0)
    }

    /// The largest sum of leaves that there can be, in size.
    pub(super) fn extreme(&self) -> i64 {
        let of_tree = |(page, size): (&[Word; PAGE], &(u16, u16))| {
            let leaves =
                page.iter().take(words_of(size.0)).enumerate().filter(|(at, word)| word.is_leaf(*at));
            leaves.map(|(_, word)| i64::from(word.value()).abs()).max()
        };
        self.pages.iter().zip(&self.sizes).filter_map(of_tree).sum()
    }
}

fn words_of(nodes: u16) -> usize {
    2 * usize::from(nodes) + 1
}

/// A tree on its way into a page.
struct Page {
    words: [Word; PAGE],
    used: usize,
    depth: u16,
}

impl Page {
    /// With place for the root.
    fn new() -> Page {
        Page { words: [Word::leaf(0, 0); PAGE], used: 1, depth: 0 }
    }

    fn leaf(&mut self, at: usize, value: i16, depth: u16) {
        self.words[at] = Word::leaf(at, value);
        self.depth = self.depth.max(depth);
    }

    /// Gives the place of the left child; the right one is beside it.
    fn node(&mut self, at: usize, feature: u8, cut: u8) -> usize {
        let children = self.used;
        self.used += 2;
        self.words[at] = Word::node(feature, cut, children);
        children
    }

    fn grown(&mut self, grown: &[Grown], from: usize, at: usize, depth: u16) {
        match grown[from] {
            Grown::Leaf(value) => self.leaf(at, value, depth),
            Grown::Node { feature, cut, left, right } => {
                let children = self.node(at, feature, cut);
                self.grown(grown, left, children, depth + 1);
                self.grown(grown, right, children + 1, depth + 1);
            }
        }
    }
}

impl From<Trees> for Stored {
    fn from(trees: Trees) -> Stored {
        let mut stored = Stored { nodes: vec![], feature: vec![], cut: vec![], left: vec![], leaf: vec![] };
        for (page, size) in trees.pages.iter().zip(&trees.sizes) {
            stored.nodes.push(size.0);
            stored.subtree(page, 0);
        }
        stored
    }
}

impl Stored {
    /// Appends the subtree at `at`; gives its number of nodes.
    fn subtree(&mut self, page: &[Word; PAGE], at: usize) -> usize {
        let word = page[at];
        if word.is_leaf(at) {
            self.leaf.push(word.value());
            return 0;
        }
        self.feature.push(word.feature() as u8);
        self.cut.push(word.cut());
        let node = self.left.len();
        self.left.push(0);
        let left = self.subtree(page, word.children());
        self.left[node] = left as u8;
        1 + left + self.subtree(page, word.children() + 1)
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
            let mut page = Page::new();
            from.subtree(usize::from(nodes), &mut page, 0, 0)?;
            trees.append(page, usize::from(nodes));
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
    /// Reads a subtree of so many nodes to `at`.
    fn subtree(&mut self, nodes: usize, page: &mut Page, at: usize, depth: u16) -> Result<(), String> {
        if nodes == 0 {
            page.leaf(at, self.stored.leaf[self.leaf], depth);
            self.leaf += 1;
            return Ok(());
        }
        let node = self.node;
        self.node += 1;
        let left = usize::from(self.stored.left[node]);
        let right = (nodes - 1).checked_sub(left).ok_or("a tree node has more on its left than there is")?;
        let children = page.node(at, self.stored.feature[node], self.stored.cut[node]);
        self.subtree(left, page, children, depth + 1)?;
        self.subtree(right, page, children + 1, depth + 1)
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
        let mut bins = Bins::default();
        (bins.0[0], bins.0[1]) = (moved(first), moved(second));
        bins
    }

    #[test]
    fn every_way_leads_to_its_leaf() {
        let trees = example();
        let ways = [(0, 1, 5), (3, 0, 5), (4, 0, 11), (9, 0, 11), (10, 0, 13), (4, 1, -7)];
        for (first, second, leaf) in ways {
            let bins = bins(first, second);
            assert_eq!(trees.sum(&bins), 100 + leaf);
        }
        // All of them side by side, each several times and some together.
        let mut columns = Columns::<64>::default();
        let rows: Vec<&(u8, u8, i64)> = ways.iter().cycle().take(40).collect();
        for (i, &&(first, second, _)) in rows.iter().enumerate() {
            (columns.0[0][i], columns.0[1][i]) = (first, second);
        }
        for count in [1, 6, 40] {
            let sums = trees.sums(&columns, count);
            for (sum, (_, _, leaf)) in sums.iter().zip(&rows).take(count) {
                assert_eq!(i64::from(*sum), 100 + leaf);
            }
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
