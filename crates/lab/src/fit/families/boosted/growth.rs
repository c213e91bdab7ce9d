//! How large trees get, and how fast they learn.

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub trees: usize,
    pub leaves: usize,
    pub depth: u32,
    pub learning_rate: f64,
    /// Share of the rows that each tree sees.
    pub rows: f64,
    /// Fewest rows in a leaf.
    pub min_leaf: u32,
    /// Pseudo-rows that pull each leaf towards zero.
    pub shrinkage: f64,
    /// Errors beyond this, in the logarithm, count as if they were of that size (Huber's loss): relative
    /// errors are judged by their mean, which one odd row must not rule.
    pub trusted: f64,
}

impl Growth {
    /// For tables of tens of thousands of rows.
    pub fn many() -> Growth {
        Growth {
            trees: 200,
            leaves: 255,
            depth: 12,
            learning_rate: 0.12,
            rows: 0.9,
            min_leaf: 3,
            shrinkage: 1.0,
            trusted: 0.1,
        }
    }

    /// For smaller tables.
    pub fn few() -> Growth {
        Growth { leaves: 63, ..Growth::many() }
    }
}
