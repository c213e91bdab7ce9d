//! What a command says of each item of a list. An item that cannot be treated has its error in its place; the others are
//! still answered.

use super::failure::{ErrorText, Failure};
use super::output::Output;
use edgezen_lab::catalogue::networks::labels;
use serde::Serialize;

/// The answers for a list of texts, in their order.
pub struct Answers<T> {
    items: Vec<(String, Result<T, Failure>)>,
}

/// An item of the list as JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Item<'a, T: Serialize> {
    Answer(&'a T),
    Error { net: &'a str, error: ErrorText<'a> },
}

impl<T> Answers<T> {
    /// Asks for an answer for each text.
    pub fn each(texts: &[String], mut answer: impl FnMut(&str) -> Result<T, Failure>) -> Answers<T> {
        Answers { items: texts.iter().map(|text| (text.clone(), answer(text))).collect() }
    }

    /// The answers that there are.
    pub fn given(&self) -> Vec<&T> {
        self.items.iter().filter_map(|(_, answer)| answer.as_ref().ok()).collect()
    }

    /// All answers, where there is one for each item.
    ///
    /// # Errors
    /// The failure of the first item that has none.
    pub fn all(self) -> Result<Vec<T>, Failure> {
        let count = self.items.len();
        let items = self.items.into_iter();
        items.map(|(net, answer)| answer.map_err(|failure| named(failure, &net, count))).collect()
    }

    /// Another answer for each one that there is, in the same places; `answer` hears them in their order.
    pub fn then<U>(self, mut answer: impl FnMut(T) -> Result<U, Failure>) -> Answers<U> {
        let items = self.items.into_iter();
        Answers { items: items.map(|(text, given)| (text, given.and_then(&mut answer))).collect() }
    }

    /// Gives networks of one name the texts that stand for them as names.
    pub fn told_apart(mut self, name: impl Fn(&mut T) -> &mut String) -> Answers<T> {
        let mut places = Vec::new();
        for (text, answer) in &mut self.items {
            if let Ok(answer) = answer {
                places.push((text.clone(), name(answer)));
            }
        }
        let named: Vec<(&str, String)> =
            places.iter().map(|(text, name)| (text.as_str(), (**name).clone())).collect();
        let labels = labels(&named);
        for ((_, name), label) in places.into_iter().zip(labels) {
            *name = label;
        }
        self
    }

    /// The list as JSON: answers, and errors in their places.
    fn json(&self) -> Vec<Item<'_, T>>
    where
        T: Serialize,
    {
        self.items
            .iter()
            .map(|(text, answer)| match answer {
                Ok(answer) => Item::Answer(answer),
                Err(failure) => Item::Error { net: text, error: failure.text() },
            })
            .collect()
    }

    /// `rows` as JSON, with the errors in their places; each answer stands for `count` of them.
    pub fn spread<'a, R: Serialize>(
        &'a self,
        rows: &'a [R],
        count: impl Fn(&T) -> usize,
    ) -> Vec<Item<'a, R>> {
        let mut rows = rows.iter();
        let mut items = Vec::new();
        for (text, answer) in &self.items {
            match answer {
                Ok(answer) => items.extend(rows.by_ref().take(count(answer)).map(Item::Answer)),
                Err(failure) => items.push(Item::Error { net: text, error: failure.text() }),
            }
        }
        items
    }

    /// Prints the list: as JSON with the errors in their places, or as `text` of the answers, with the errors on stderr.
    /// Gives the worst error, which is on stderr already.
    pub fn print(self, output: Output, text: impl FnOnce(&[&T]) -> String) -> Result<Option<Failure>, Failure>
    where
        T: Serialize,
    {
        let given = self.given();
        if output.json || !given.is_empty() {
            output.result(&self.json(), || text(&given))?;
        }
        Ok(self.complain(output))
    }

    /// Says the errors on stderr, and gives the worst.
    pub fn complain(self, output: Output) -> Option<Failure> {
        let count = self.items.len();
        let mut failures = Vec::new();
        for (net, answer) in self.items {
            let Err(failure) = answer else { continue };
            let failure = named(failure, &net, count);
            output.failure(&failure);
            failures.push(failure);
        }
        worst(failures).map(|failure| Failure::said(failure.exit))
    }
}

/// The failure of one of `count` networks. A message that does not name the network would not say which one is meant.
pub fn named(failure: Failure, net: &str, count: usize) -> Failure {
    let is_named = failure.message.contains(net.trim());
    if count > 1 && !is_named { failure.of(&shortened(net)) } else { failure }
}

/// A text that may be a long structure, short enough for a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The failure with the greatest exit code.
pub fn worst(failures: impl IntoIterator<Item = Failure>) -> Option<Failure> {
    failures.into_iter().max_by_key(|failure| failure.exit as u8)
}
