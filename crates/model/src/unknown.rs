//! Values that may be unknown, in fields that existing clients never saw null: an empty text or 0 on the wire, `None` here.

/// An unknown text is empty.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes references")]
    pub fn serialize<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text.as_deref().unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
    }
}

/// An unknown number is 0. No dump takes no time, no stored file is empty or from 1970.
pub mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes references")]
    pub fn serialize<T, S>(number: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Default,
        S: Serializer,
    {
        match number {
            Some(number) => number.serialize(to),
            None => T::default().serialize(to),
        }
    }

    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de> + Default + PartialEq,
        D: Deserializer<'de>,
    {
        Ok(Option::<T>::deserialize(from)?.filter(|number| *number != T::default()))
    }
}
