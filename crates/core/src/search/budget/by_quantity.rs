//! One value for each quantity, and how such tables stand in files.

use super::Quantity;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::ops::{Index, IndexMut};

/// One value for each quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByQuantity<T>([T; Quantity::COUNT]);

impl<T> Index<Quantity> for ByQuantity<T> {
    type Output = T;
    fn index(&self, quantity: Quantity) -> &T {
        &self.0[quantity as usize]
    }
}

impl<T> IndexMut<Quantity> for ByQuantity<T> {
    fn index_mut(&mut self, quantity: Quantity) -> &mut T {
        &mut self.0[quantity as usize]
    }
}

/// Values of quantities of one network, or limits on them; those that are not known are absent. Latencies and throughputs
/// stand apart, by device.
pub type Amounts = ByQuantity<Option<f64>>;

impl Amounts {
    /// What is known, in the order of evaluation.
    pub fn known(&self) -> impl Iterator<Item = (Quantity, f64)> {
        Quantity::of_networks().filter_map(|quantity| Some((quantity, self[quantity]?)))
    }
}

/// A map of columns to values; whole numbers as integers.
impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (quantity, value) in self.known() {
            match quantity.scale() {
                super::Scale::Whole => map.serialize_entry(quantity.column(), &(value as i64))?,
                _ => map.serialize_entry(quantity.column(), &value)?,
            }
        }
        map.end()
    }
}

/// A map of columns to values; another column is an error.
impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Columns { among_others: false })
    }
}

impl Amounts {
    /// Reads the values of a network out of a map that holds other things, too.
    ///
    /// # Errors
    /// What is always known is not there.
    pub fn of_network<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amounts = deserializer.deserialize_map(Columns { among_others: true })?;
        match Quantity::always_known().find(|&quantity| amounts[quantity].is_none()) {
            Some(missing) => Err(de::Error::missing_field(missing.column())),
            None => Ok(amounts),
        }
    }
}

struct Columns {
    /// Whether other columns are passed over.
    among_others: bool,
}

impl<'de> Visitor<'de> for Columns {
    type Value = Amounts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values of quantities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts, A::Error> {
        let mut amounts = Amounts::default();
        while let Some(column) = map.next_key::<String>()? {
            let Some(quantity) = Quantity::of_networks().find(|quantity| quantity.column() == column) else {
                if !self.among_others {
                    return Err(de::Error::custom(format_args!("unknown field `{column}`")));
                }
                map.next_value::<de::IgnoredAny>()?;
                continue;
            };
            let value: Option<f64> = map.next_value()?;
            let whole = |value: f64| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
            if let Some(value) = value.filter(|&v| quantity.scale() == super::Scale::Whole && !whole(v)) {
                return Err(de::Error::custom(format_args!("{column} is a whole number, not {value}")));
            }
            amounts[quantity] = value;
        }
        Ok(amounts)
    }
}

/// A map of names to counts.
impl Serialize for ByQuantity<u64> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Quantity::COUNT))?;
        for quantity in Quantity::all() {
            map.serialize_entry(quantity.name(), &self[quantity])?;
        }
        map.end()
    }
}

/// A map of names to counts; each has to be there, but for those that earlier versions did not have, and nothing else.
impl<'de> Deserialize<'de> for ByQuantity<u64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = std::collections::BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut counts = ByQuantity::default();
        for quantity in Quantity::all() {
            counts[quantity] = match (read.remove(quantity.name()), quantity) {
                (Some(count), _) => count,
                (None, Quantity::Weights | Quantity::Throughput) => 0,
                (None, _) => return Err(de::Error::missing_field(quantity.name())),
            };
        }
        match read.into_keys().next() {
            Some(other) => Err(de::Error::custom(format_args!("unknown field `{other}`"))),
            None => Ok(counts),
        }
    }
}
