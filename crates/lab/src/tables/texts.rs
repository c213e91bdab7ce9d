//! The texts of a column.

/// Texts, each of which may be missing. They stand in one allocation: a column repeats the same few words in some ten
/// thousand rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// All texts, one after the other.
    joined: String,
    /// Where the text of each row ends in `joined`; it begins where the one before ends.
    ends: Vec<usize>,
    /// Whether the row has a text at all; an empty one is a text.
    present: Vec<bool>,
}

impl Texts {
    pub fn push(&mut self, text: Option<&str>) {
        self.joined.push_str(text.unwrap_or_default());
        self.ends.push(self.joined.len());
        self.present.push(text.is_some());
    }

    /// The text of a row, counted from 0; none where it is missing or there is no such row.
    pub fn get(&self, row: usize) -> Option<&str> {
        if !*self.present.get(row)? {
            return None;
        }
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.joined[start..self.ends[row]])
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.joined.len()
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(cells: I) -> Texts {
        let mut texts = Texts::default();
        for cell in cells {
            texts.push(cell.as_ref().map(AsRef::as_ref));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_not_a_missing_one() {
        let cells = [Some("ä"), None, Some(""), Some("bc"), None];
        let texts: Texts = cells.into_iter().collect();
        assert_eq!(texts.iter().collect::<Vec<_>>(), cells);
        assert_eq!((texts.len(), texts.bytes(), texts.get(5)), (5, 4, None));
    }
}
