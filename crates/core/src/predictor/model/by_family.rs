//! Reads a model whose form a field named `family` tells, which stands among the fields of the model.
//!
//! serde's derived code for such enums keeps all fields as values of any type before it makes the model of them: trees of some
//! hundred thousand numbers would take many times their size, and most of the time in which a program starts. Here only the fields
//! before `family` are kept, and files have the long ones behind it.

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use std::vec::IntoIter;

/// The field that tells the form.
const FAMILY: &str = "family";

/// An enum whose variants are read from the fields that stand beside its [`FAMILY`].
pub trait ByFamily: Sized {
    /// All names of families.
    const FAMILIES: &'static [&'static str];

    /// Reads the variant called `family`; nothing where there is none.
    ///
    /// # Errors
    /// Fields that it does not have.
    fn read<'de, D: Deserializer<'de>>(family: &str, fields: D) -> Option<Result<Self, D::Error>>;
}

/// Reads whichever variant the fields are of.
///
/// # Errors
/// No family, or one that is unknown; fields that it does not have.
pub fn read<'de, T: ByFamily, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Fields(PhantomData))
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: ByFamily> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a model with a field {FAMILY}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut before = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != FAMILY {
                before.push((key, map.next_value::<Value>()?));
                continue;
            }
            let family: String = map.next_value()?;
            let fields = Around { before: before.into_iter(), value: None, behind: map };
            return T::read(&family, MapAccessDeserializer::new(fields))
                .unwrap_or_else(|| Err(A::Error::unknown_variant(&family, T::FAMILIES)));
        }
        Err(A::Error::missing_field(FAMILY))
    }
}

/// The fields before the family, and those behind it.
struct Around<A> {
    before: IntoIter<(String, Value)>,
    /// Of the field before the family whose key was given last.
    value: Option<Value>,
    behind: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Around<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.before.next() {
            Some((key, value)) => {
                self.value = Some(value);
                let key: StringDeserializer<A::Error> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => self.behind.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.behind.next_value_seed(seed),
        }
    }
}
